"""Handwritten digits, ResNet-8, CutMix with DM(CE): the first run.

    dmjax train --config configs/digits/resnet8_cutmix_dm.py --workdir runs/digits

1,437 training and 360 test images of 8x8 pixels, from scikit-learn. About 20 s
on two CPU cores.
"""

from dmjax import config as config_lib


def get_config():
  """The configuration."""
  config = config_lib.default()
  config.batch_size = 64
  config.total = "60 epochs"
  config.model.name = "resnet8"
  config.data.update(
      name="digits", crop_padding=1, crop_mode="constant", flip=False,
      mean=(0.3053,), std=(0.3761,),
  )
  config.optimizer.update(lr=0.1, weight_decay=5e-4)
  config.schedule.warmup = "2 epochs"
  return config

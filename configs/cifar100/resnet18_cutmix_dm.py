"""CIFAR-100, ResNet-18, CutMix with DM(CE), 200 epochs.

    dmjax train --config configs/cifar100/resnet18_cutmix_dm.py --workdir runs/a

The recipe of OpenMixup: SGD 0.1 with a cosine per epoch, batch 100, weight
decay on every parameter, lambda ~ Beta(0.2, 0.2) once per batch.
"""

from dmjax import config as config_lib


def get_config():
  """The configuration."""
  config = config_lib.default()
  config.batch_size = 100
  config.total = "200 epochs"
  config.mix = {"name": "cutmix", "alpha": 0.2, "per_batch": True}
  config.schedule.per_epoch = True
  config.evaluate.update(every="1 epochs", batch_size=500)
  return config

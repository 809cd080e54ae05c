"""Handwritten digits, ResNet-8, AutoMix: the mask can be watched learning.

    dmjax train --config configs/digits/resnet8_automix.py --workdir runs/automix

Two or three minutes on two CPU cores. Training is short, so the teacher follows
the student sooner than on CIFAR, and the mask keeps to its lambda row by row.
`:smoke` trains for a few steps.
"""

from configs import automix
from configs.digits import resnet8_cutmix_dm


def get_config(arg: str = ""):
  """The configuration."""
  config = resnet8_cutmix_dm.get_config()
  automix.automix(
      config,
      # 4x4 features of 8x8 images.
      stage="stage2",
      mix_block={"name": "automix", "embedding": "concat"},
      mask_loss={"name": "mask_l1", "margin": 0.0, "per_batch": False},
      mask_weight=1.0,
      momentum=0.98,
      end_momentum=0.999,
      groups={"mix_block": {"weight_decay": 0.0}},
  )
  config.mix.per_batch = False
  return automix.smoke(config) if arg == "smoke" else config

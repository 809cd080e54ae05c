"""Handwritten digits, ResNet-8, SAMix: the mask can be watched learning.

    dmjax train --config configs/digits/resnet8_automix.py --workdir runs/automix

About a minute on two idle CPU cores. Training is a hundred times shorter than
the published one, so the teacher follows sooner, the Mix Block learns faster,
and its loss weighs more and is that of every mask by itself. `:smoke` trains
for a few steps.
"""

from configs import automix
from configs.digits import resnet8_cutmix_dm


def get_config(arg: str = ""):
  """The configuration."""
  config = resnet8_cutmix_dm.get_config()
  config.total = "30 epochs"
  automix.automix(
      config,
      stage="stage2",  # 4x4 features of 8x8 images.
      mix_block={"name": "samix"},
      mask_loss={
          "name": "mask_l1", "margin": 0.0, "variance": 1.0,
          "per_batch": False,
      },
      mask_weight=1.0,
      momentum=0.98,
      end_momentum=0.999,
      groups={"mix_block": {"lr": 0.5, "weight_decay": 0.0}},
  )
  config.mix.per_batch = False
  return automix.smoke(config) if arg == "smoke" else config

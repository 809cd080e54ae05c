"""ImageNet, ResNet-50, MixUp or CutMix, BCE, RSB A3.

    dmjax train --config configs/imagenet/resnet50_rsb_a3_mixup_cutmix.py --workdir runs/a

Expected top-1: 78.08 after 100 epochs, in the tables of OpenMixup (arXiv
2209.04851). Metric: median of the test top-1 of the last 5 epochs.
"""

from configs import recipes


def get_config(arg: str = ""):
  """The configuration; `:smoke` for two steps on noise."""
  return recipes.make("rsb_a3", "imagenet", "resnet50", "mixup_cutmix", arg=arg)

"""ImageNet, ResNet-50, CutMix, BCE, RSB A2.

    dmjax train --config configs/imagenet/resnet50_rsb_a2_cutmix.py --workdir runs/a

Expected top-1: 79.38 after 300 epochs, in the tables of OpenMixup (arXiv
2209.04851). Metric: median of the test top-1 of the last 10 epochs.
"""

from configs import recipes


def get_config(arg: str = ""):
  """The configuration; `:smoke` for two steps on noise."""
  return recipes.make("rsb_a2", "imagenet", "resnet50", "cutmix", arg=arg)

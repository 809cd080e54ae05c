"""ImageNet, ResNet-101, CutMix, CE, 100 epochs.

    dmjax train --config configs/imagenet/resnet101_100ep_cutmix.py --workdir runs/a

Expected top-1: 78.96 after 100 epochs, in the tables of OpenMixup (arXiv
2209.04851). Metric: median of the test top-1 of the last 5 epochs.
"""

from configs import recipes


def get_config(arg: str = ""):
  """The configuration; `:smoke` for two steps on noise."""
  return recipes.make("100ep", "imagenet", "resnet101", "cutmix", arg=arg)

"""ImageNet, ResNet-50, no mixing, CE, 100 epochs.

    dmjax train --config configs/imagenet/resnet50_100ep_baseline.py --workdir runs/a

Expected top-1: 76.83 after 100 epochs, in the tables of OpenMixup (arXiv
2209.04851). Metric: median of the test top-1 of the last 5 epochs.
"""

from configs import recipes


def get_config(arg: str = ""):
  """The configuration; `:smoke` for two steps on noise."""
  return recipes.make("100ep", "imagenet", "resnet50", arg=arg)

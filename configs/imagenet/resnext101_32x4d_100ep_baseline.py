"""ImageNet, ResNeXt-101 (32x4d), no mixing, CE, 100 epochs.

    dmjax train --config configs/imagenet/resnext101_32x4d_100ep_baseline.py --workdir runs/a

Expected top-1: 78.71 after 100 epochs, in the tables of OpenMixup (arXiv
2209.04851). Metric: median of the test top-1 of the last 5 epochs.
"""

from configs import recipes


def get_config(arg: str = ""):
  """The configuration; `:smoke` for two steps on noise."""
  return recipes.make("100ep", "imagenet", "resnext101_32x4d", arg=arg)

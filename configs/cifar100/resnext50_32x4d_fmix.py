"""CIFAR-100, ResNeXt-50 (32x4d), FMix, CE, 200 epochs.

    dmjax train --config configs/cifar100/resnext50_32x4d_fmix.py --workdir runs/a

Expected top-1: 79.87 after 200, 78.99 after 400, 79.02 after 800, 78.24 after
1200 epochs, in the tables of OpenMixup (arXiv 2209.04851). Metric: median of
the test top-1 of the last 10 epochs.
"""

from configs import recipes


def get_config(arg: str = ""):
  """The configuration; `:smoke` for two steps on noise."""
  return recipes.make("cifar", "cifar100", "resnext50_32x4d", "fmix", arg=arg)

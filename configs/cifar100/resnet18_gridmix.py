"""CIFAR-100, ResNet-18, GridMix, CE, 200 epochs.

    dmjax train --config configs/cifar100/resnet18_gridmix.py --workdir runs/a

Expected top-1: 78.23 after 200, 78.60 after 400, 78.72 after 800, 77.58 after
1200 epochs, in the tables of OpenMixup (arXiv 2209.04851). Metric: median of
the test top-1 of the last 10 epochs.
"""

from configs import recipes


def get_config(arg: str = ""):
  """The configuration; `:smoke` for two steps on noise."""
  return recipes.make("cifar", "cifar100", "resnet18", "gridmix", arg=arg)

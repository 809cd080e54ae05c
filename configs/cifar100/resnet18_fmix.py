"""CIFAR-100, ResNet-18, FMix, CE, 200 epochs.

    dmjax train --config configs/cifar100/resnet18_fmix.py --workdir runs/a

Expected top-1: 78.91 after 200, 79.91 after 400, 79.69 after 800, 79.50 after
1200 epochs, in the tables of OpenMixup (arXiv 2209.04851). Metric: median of
the test top-1 of the last 10 epochs.
"""

from configs import recipes


def get_config(arg: str = ""):
  """The configuration; `:smoke` for two steps on noise."""
  return recipes.make("cifar", "cifar100", "resnet18", "fmix", arg=arg)

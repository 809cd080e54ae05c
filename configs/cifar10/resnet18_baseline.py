"""CIFAR-10, ResNet-18, no mixing, CE, 200 epochs.

    dmjax train --config configs/cifar10/resnet18_baseline.py --workdir runs/a

Expected top-1: 94.87 after 200, 95.10 after 400, 95.50 after 800, 95.59 after
1200 epochs, in the tables of OpenMixup (arXiv 2209.04851). Metric: median of
the test top-1 of the last 10 epochs.
"""

from configs import recipes


def get_config(arg: str = ""):
  """The configuration; `:smoke` for two steps on noise."""
  return recipes.make("cifar", "cifar10", "resnet18", arg=arg)

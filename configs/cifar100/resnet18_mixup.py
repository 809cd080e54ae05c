"""CIFAR-100, ResNet-18, MixUp, CE, 200 epochs.

    dmjax train --config configs/cifar100/resnet18_mixup.py --workdir runs/a

Expected top-1: 78.52 after 200, 79.34 after 400, 79.12 after 800, 79.24 after
1200 epochs, in the tables of OpenMixup (arXiv 2209.04851). Metric: median of
the test top-1 of the last 10 epochs.
"""

from configs import recipes


def get_config(arg: str = ""):
  """The configuration; `:smoke` for two steps on noise."""
  return recipes.make("cifar", "cifar100", "resnet18", "mixup", arg=arg)

"""CIFAR-10, ResNeXt-50 (32x4d), MixUp, CE, 200 epochs.

    dmjax train --config configs/cifar10/resnext50_32x4d_mixup.py --workdir runs/a

Expected top-1: 96.88 after 200, 97.19 after 400, 97.30 after 800, 97.33 after
1200 epochs, in the tables of OpenMixup (arXiv 2209.04851). Metric: median of
the test top-1 of the last 10 epochs.
"""

from configs import recipes


def get_config(arg: str = ""):
  """The configuration; `:smoke` for two steps on noise."""
  return recipes.make("cifar", "cifar10", "resnext50_32x4d", "mixup", arg=arg)

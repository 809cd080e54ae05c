"""CIFAR-100, ResNeXt-50 (32x4d), Manifold MixUp, CE, 200 epochs.

    dmjax train --config configs/cifar100/resnext50_32x4d_manifold_mixup.py --workdir runs/a

Expected top-1: 81.59 after 200, 82.56 after 400, 82.88 after 800, 83.28 after
1200 epochs, in the tables of OpenMixup (arXiv 2209.04851). Metric: median of
the test top-1 of the last 10 epochs.
"""

from configs import recipes


def get_config(arg: str = ""):
  """The configuration; `:smoke` for two steps on noise."""
  return recipes.make(
      "cifar", "cifar100", "resnext50_32x4d", "manifold_mixup", arg=arg
  )

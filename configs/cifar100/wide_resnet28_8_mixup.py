"""CIFAR-100, Wide-ResNet-28-8, MixUp, CE, 400 epochs.

    dmjax train --config configs/cifar100/wide_resnet28_8_mixup.py --workdir runs/a

Expected top-1: 82.82 after 400 epochs, in the tables of OpenMixup (arXiv
2209.04851). Metric: median of the test top-1 of the last 10 epochs.
"""

from configs import recipes


def get_config(arg: str = ""):
  """The configuration; `:smoke` for two steps on noise."""
  return recipes.make(
      "cifar_wide", "cifar100", "wide_resnet28_8", "mixup", arg=arg
  )

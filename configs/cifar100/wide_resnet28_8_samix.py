"""CIFAR-100, Wide-ResNet-28-8, SAMix (arXiv 2111.15454), 400 epochs.

    dmjax train --config configs/cifar100/wide_resnet28_8_samix.py \\
        --workdir runs/a

Expected top-1: 85.50 after 400 epochs, in the tables of OpenMixup (arXiv
2209.04851), which take the better of two heads at the best of three windows;
here the teacher's head of clean images is evaluated, fixed in advance. Metric:
median of the test top-1 of the last 10 epochs.
"""

from configs import automix


def get_config(arg: str = ""):
  """The configuration; `:smoke` for two steps on noise."""
  return automix.make(
      "cifar_wide", "cifar100", "wide_resnet28_8", samix=True, arg=arg
  )

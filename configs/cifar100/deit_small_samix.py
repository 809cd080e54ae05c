"""CIFAR-100, DeiT-S, SAMix (arXiv 2111.15454), 200 epochs.

    dmjax train --config configs/cifar100/deit_small_samix.py --workdir runs/a

Expected top-1: 77.94 after 200, 82.49 after 600 epochs, in the tables of
OpenMixup (arXiv 2209.04851), which take the better of two heads at the best of
three windows; here the teacher's head of clean images is evaluated, fixed in
advance. Metric: median of the test top-1 of the last 10 epochs. Cost: OpenMixup
reports 21.3 GB and 58 hours for 600 epochs, beside 8.2 GB and 27 hours of
MixUp.
"""

from configs import automix


def get_config(arg: str = ""):
  """The configuration; `:smoke` for two steps on noise."""
  return automix.make(
      "cifar_deit", "cifar100", "deit_small", samix=True, arg=arg
  )

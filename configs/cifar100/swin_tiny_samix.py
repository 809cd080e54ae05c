"""CIFAR-100, Swin-T, SAMix (arXiv 2111.15454), 200 epochs.

    dmjax train --config configs/cifar100/swin_tiny_samix.py --workdir runs/a

Expected top-1: 82.62 after 200 epochs, in the tables of OpenMixup (arXiv
2209.04851), which take the better of two heads at the best of three windows;
here the teacher's head of clean images is evaluated, fixed in advance. Metric:
median of the test top-1 of the last 10 epochs. Cost: OpenMixup reports 29.3 GB
and 75 hours for 600 epochs, beside 11.4 GB and 36 hours of MixUp.
"""

from configs import automix


def get_config(arg: str = ""):
  """The configuration; `:smoke` for two steps on noise."""
  return automix.make(
      "cifar_swin", "cifar100", "swin_tiny", samix=True, arg=arg
  )

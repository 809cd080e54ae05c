"""CIFAR-100, ResNeXt-50 (32x4d), SAMix (arXiv 2111.15454), 200 epochs.

    dmjax train --config configs/cifar100/resnext50_32x4d_samix.py \\
        --workdir runs/a

Expected top-1: 83.81 after 200, 84.27 after 400, 84.42 after 800, 84.31 after
1200 epochs, in the tables of OpenMixup (arXiv 2209.04851), which take the
better of two heads at the best of three windows; here the teacher's head of
clean images is evaluated, fixed in advance. Metric: median of the test top-1 of
the last 10 epochs.
"""

from configs import automix


def get_config(arg: str = ""):
  """The configuration; `:smoke` for two steps on noise."""
  return automix.make(
      "cifar", "cifar100", "resnext50_32x4d", samix=True, arg=arg
  )

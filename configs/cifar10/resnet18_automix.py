"""CIFAR-10, ResNet-18, AutoMix (arXiv 2103.13027), 200 epochs.

    dmjax train --config configs/cifar10/resnet18_automix.py --workdir runs/a

Expected top-1: 96.59 after 200, 97.08 after 400, 97.34 after 800, 97.30 after
1200 epochs, in the tables of OpenMixup (arXiv 2209.04851), which take the
better of two heads at the best of three windows; here the teacher's head of
clean images is evaluated, fixed in advance. Metric: median of the test top-1 of
the last 10 epochs.
"""

from configs import automix


def get_config(arg: str = ""):
  """The configuration; `:smoke` for two steps on noise."""
  return automix.make("cifar", "cifar10", "resnet18", arg=arg)

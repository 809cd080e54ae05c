"""CIFAR-100, ResNet-18, SaliencyMix, CE, 200 epochs.

    dmjax train --config configs/cifar100/resnet18_saliencymix.py --workdir runs/a

Expected top-1: 79.75 after 200, 79.64 after 400, 79.12 after 800, 77.66 after
1200 epochs, in the tables of OpenMixup (arXiv 2209.04851). Metric: median of
the test top-1 of the last 10 epochs.
"""

from configs import recipes


def get_config(arg: str = ""):
  """The configuration; `:smoke` for two steps on noise."""
  return recipes.make("cifar", "cifar100", "resnet18", "saliencymix", arg=arg)

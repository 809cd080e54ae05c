"""CIFAR-100, ResNet-18, AlignMix, DM(CE), 200 epochs.

    dmjax train --config configs/cifar100/resnet18_alignmix_dm.py --workdir runs/a

The published tables hold mixup CE only: 81.71 after 1200 epochs, in the tables
of OpenMixup (arXiv 2209.04851). No DM setting is published for it: eta is the
paper's, constant, and alpha that of mixup CE. Metric: median of the test top-1
of the last 10 epochs.
"""

from configs import recipes


def get_config(arg: str = ""):
  """The configuration; `:smoke` for two steps on noise."""
  return recipes.make(
      "cifar", "cifar100", "resnet18", "alignmix", decoupled=True, arg=arg
  )

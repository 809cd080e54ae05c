"""CIFAR-100, ResNet-18, Co-Mixup, DM(CE), 200 epochs.

    dmjax train --config configs/cifar100/resnet18_comixup_dm.py --workdir runs/a

The published tables hold mixup CE only: 80.01 after 200, 80.87 after 400, 81.17
after 800, 81.18 after 1200 epochs, in the tables of OpenMixup (arXiv
2209.04851). No DM setting is published for it: eta is the paper's, constant,
and alpha that of mixup CE. Metric: median of the test top-1 of the last 10
epochs.
"""

from configs import recipes


def get_config(arg: str = ""):
  """The configuration; `:smoke` for two steps on noise."""
  return recipes.make(
      "cifar", "cifar100", "resnet18", "comixup", decoupled=True, arg=arg
  )

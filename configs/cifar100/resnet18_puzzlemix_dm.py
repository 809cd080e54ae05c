"""CIFAR-100, ResNet-18, Puzzle Mix, DM(CE), 200 epochs.

    dmjax train --config configs/cifar100/resnet18_puzzlemix_dm.py --workdir runs/a

The published tables hold mixup CE only: 79.96 after 200, 80.82 after 400, 81.13
after 800, 81.10 after 1200 epochs, in the tables of OpenMixup (arXiv
2209.04851). No DM setting is published for it: eta is the paper's, constant,
and alpha that of mixup CE. Metric: median of the test top-1 of the last 10
epochs.
"""

from configs import recipes


def get_config(arg: str = ""):
  """The configuration; `:smoke` for two steps on noise."""
  return recipes.make(
      "cifar", "cifar100", "resnet18", "puzzlemix", decoupled=True, arg=arg
  )

"""CIFAR-100, ResNet-18, ResizeMix, DM(CE), 200 epochs.

    dmjax train --config configs/cifar100/resnet18_resizemix_dm.py --workdir runs/a

The published tables hold mixup CE only: 79.56 after 200, 79.19 after 400, 80.01
after 800, 79.23 after 1200 epochs, in the tables of OpenMixup (arXiv
2209.04851). Its alpha, eta and weight decay are those of the published
configuration, which trains for 800 epochs: `--config.total='800 epochs'`.
Metric: median of the test top-1 of the last 10 epochs.
"""

from configs import recipes


def get_config(arg: str = ""):
  """The configuration; `:smoke` for two steps on noise."""
  return recipes.make(
      "cifar", "cifar100", "resnet18", "resizemix", decoupled=True, arg=arg
  )

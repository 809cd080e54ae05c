"""CIFAR-100, ResNeXt-50 (32x4d), CutMix, DM(CE), 200 epochs.

    dmjax train --config configs/cifar100/resnext50_32x4d_cutmix_dm.py --workdir runs/a

The published tables hold mixup CE only: 81.52 after 200, 78.52 after 400, 78.32
after 800, 77.17 after 1200 epochs, in the tables of OpenMixup (arXiv
2209.04851). Its alpha, eta and weight decay are those of the published
configuration, which trains for 800 epochs: `--config.total='800 epochs'`.
Metric: median of the test top-1 of the last 10 epochs.
"""

from configs import recipes


def get_config(arg: str = ""):
  """The configuration; `:smoke` for two steps on noise."""
  return recipes.make(
      "cifar", "cifar100", "resnext50_32x4d", "cutmix", decoupled=True, arg=arg
  )

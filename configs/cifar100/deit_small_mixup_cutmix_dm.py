"""CIFAR-100, DeiT-S, MixUp or CutMix, DM(CE), 200 epochs.

    dmjax train --config configs/cifar100/deit_small_mixup_cutmix_dm.py --workdir runs/a

The published tables hold mixup CE only: 75.92 after 200, 79.38 after 600
epochs, in the tables of OpenMixup (arXiv 2209.04851). No DM setting is
published for it: eta is the paper's, constant, and alpha that of mixup CE.
Published: the best top-1 of the last 10 epochs; report the median of the last
10 epochs beside it. Cost: OpenMixup reports 8.1 GB and 27 hours for 600 epochs.
"""

from configs import recipes


def get_config(arg: str = ""):
  """The configuration; `:smoke` for two steps on noise."""
  return recipes.make(
      "cifar_deit", "cifar100", "deit_small", "mixup_cutmix",
      decoupled=True, arg=arg,
  )

"""ImageNet, DeiT-S, no mixing, CE, 300 epochs.

    dmjax train --config configs/imagenet/deit_small_baseline.py --workdir runs/a

Expected top-1: 75.66 after 300 epochs, in the tables of OpenMixup (arXiv
2209.04851). Published: the best top-1 of the run; report the median of the last
10 epochs beside it.
"""

from configs import recipes


def get_config(arg: str = ""):
  """The configuration; `:smoke` for two steps on noise."""
  return recipes.make("deit", "imagenet", "deit_small", arg=arg)

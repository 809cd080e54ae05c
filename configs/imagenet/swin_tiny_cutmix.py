"""ImageNet, Swin-T, CutMix, CE, 300 epochs.

    dmjax train --config configs/imagenet/swin_tiny_cutmix.py --workdir runs/a

Expected top-1: 81.33 after 300 epochs, in the tables of OpenMixup (arXiv
2209.04851). Published: the best top-1 of the run; report the median of the last
10 epochs beside it.
"""

from configs import recipes


def get_config(arg: str = ""):
  """The configuration; `:smoke` for two steps on noise."""
  return recipes.make("swin", "imagenet", "swin_tiny", "cutmix", arg=arg)

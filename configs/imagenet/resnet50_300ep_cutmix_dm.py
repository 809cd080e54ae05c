"""ImageNet, ResNet-50, CutMix, DM(CE), 300 epochs.

    dmjax train --config configs/imagenet/resnet50_300ep_cutmix_dm.py --workdir runs/a

The published tables hold mixup CE only: 78.69 after 300 epochs, in the tables
of OpenMixup (arXiv 2209.04851). No DM setting is published for it: eta is the
paper's, constant, and alpha that of mixup CE. Metric: median of the test top-1
of the last 10 epochs.
"""

from configs import recipes


def get_config(arg: str = ""):
  """The configuration; `:smoke` for two steps on noise."""
  return recipes.make(
      "300ep", "imagenet", "resnet50", "cutmix", decoupled=True, arg=arg
  )

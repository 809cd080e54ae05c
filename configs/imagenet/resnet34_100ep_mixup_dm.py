"""ImageNet, ResNet-34, MixUp, DM(CE), 100 epochs.

    dmjax train --config configs/imagenet/resnet34_100ep_mixup_dm.py --workdir runs/a

The published tables hold mixup CE only: 73.97 after 100 epochs, in the tables
of OpenMixup (arXiv 2209.04851). No DM setting is published for it: eta is the
paper's, constant, and alpha that of mixup CE. Metric: median of the test top-1
of the last 5 epochs.
"""

from configs import recipes


def get_config(arg: str = ""):
  """The configuration; `:smoke` for two steps on noise."""
  return recipes.make(
      "100ep", "imagenet", "resnet34", "mixup", decoupled=True, arg=arg
  )

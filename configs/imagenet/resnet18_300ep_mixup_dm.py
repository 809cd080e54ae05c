"""ImageNet, ResNet-18, MixUp, DM(CE), 300 epochs.

    dmjax train --config configs/imagenet/resnet18_300ep_mixup_dm.py --workdir runs/a

The published tables hold mixup CE only: 71.72 after 300 epochs, in the tables
of OpenMixup (arXiv 2209.04851). Its alpha, eta and weight decay are those of
the published configuration. Metric: median of the test top-1 of the last 10
epochs.
"""

from configs import recipes


def get_config(arg: str = ""):
  """The configuration; `:smoke` for two steps on noise."""
  return recipes.make(
      "300ep", "imagenet", "resnet18", "mixup", decoupled=True, arg=arg
  )

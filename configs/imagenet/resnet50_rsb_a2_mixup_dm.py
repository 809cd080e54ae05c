"""ImageNet, ResNet-50, MixUp, DM(BCE), RSB A2.

    dmjax train --config configs/imagenet/resnet50_rsb_a2_mixup_dm.py --workdir runs/a

The published tables hold mixup BCE only: 79.39 after 300 epochs, in the tables
of OpenMixup (arXiv 2209.04851). Its alpha, eta and weight decay are those of
the published configuration. Metric: median of the test top-1 of the last 10
epochs.
"""

from configs import recipes


def get_config(arg: str = ""):
  """The configuration; `:smoke` for two steps on noise."""
  return recipes.make(
      "rsb_a2", "imagenet", "resnet50", "mixup", decoupled=True, arg=arg
  )

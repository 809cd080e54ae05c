"""ImageNet, ResNet-50, MixUp, CE, 300 epochs.

    dmjax train --config configs/imagenet/resnet50_300ep_mixup.py --workdir runs/a

Expected top-1: 78.44 after 300 epochs, in the tables of OpenMixup (arXiv
2209.04851). Metric: median of the test top-1 of the last 10 epochs.
"""

from configs import recipes


def get_config(arg: str = ""):
  """The configuration; `:smoke` for two steps on noise."""
  return recipes.make("300ep", "imagenet", "resnet50", "mixup", arg=arg)

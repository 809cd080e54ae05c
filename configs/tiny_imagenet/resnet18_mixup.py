"""Tiny-ImageNet-200, ResNet-18, MixUp, CE, 400 epochs.

    dmjax train --config configs/tiny_imagenet/resnet18_mixup.py --workdir runs/a

Expected top-1: 63.86 after 400 epochs, in the tables of OpenMixup (arXiv
2209.04851). Metric: median of the test top-1 of the last 10 epochs.
"""

from configs import recipes


def get_config(arg: str = ""):
  """The configuration; `:smoke` for two steps on noise."""
  return recipes.make("tiny", "tiny_imagenet", "resnet18", "mixup", arg=arg)

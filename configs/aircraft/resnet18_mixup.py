"""FGVC-Aircraft, ResNet-18, MixUp, CE, 200 epochs.

    dmjax train --config configs/aircraft/resnet18_mixup.py --workdir runs/a

Expected top-1: 79.52 after 200 epochs, in the tables of OpenMixup (arXiv
2209.04851). Metric: median of the test top-1 of the last 10 epochs. Starts from
torchvision's ImageNet parameters in `pretrained/resnet18.safetensors`, or
`--config.pretrained=FILE`.
"""

from configs import recipes


def get_config(arg: str = ""):
  """The configuration; `:smoke` for two steps on noise."""
  return recipes.make("fine", "aircraft", "resnet18", "mixup", arg=arg)

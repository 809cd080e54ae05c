"""CUB-200-2011, ResNet-50, MixUp, CE, 200 epochs.

    dmjax train --config configs/cub200/resnet50_mixup.py --workdir runs/a

Expected top-1: 82.98 after 200 epochs, in the tables of AdAutoMix (arXiv
2312.11954). Metric: median of the test top-1 of the last 10 epochs. Starts from
torchvision's ImageNet parameters in `pretrained/resnet50.safetensors`, or
`--config.pretrained=FILE`.
"""

from configs import recipes


def get_config(arg: str = ""):
  """The configuration; `:smoke` for two steps on noise."""
  return recipes.make("fine", "cub200", "resnet50", "mixup", arg=arg)

"""CUB-200-2011, ResNeXt-50 (32x4d), MixUp, CE, 200 epochs.

    dmjax train --config configs/cub200/resnext50_32x4d_mixup.py --workdir runs/a

Expected top-1: 84.58 after 200 epochs, in the tables of OpenMixup (arXiv
2209.04851). Metric: median of the test top-1 of the last 10 epochs. Starts from
torchvision's ImageNet parameters in `pretrained/resnext50_32x4d.safetensors`,
or `--config.pretrained=FILE`.
"""

from configs import recipes


def get_config(arg: str = ""):
  """The configuration; `:smoke` for two steps on noise."""
  return recipes.make("fine", "cub200", "resnext50_32x4d", "mixup", arg=arg)

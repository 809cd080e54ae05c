"""CUB-200-2011, ResNeXt-50 (32x4d), CutMix, DM(CE), 200 epochs.

    dmjax train --config configs/cub200/resnext50_32x4d_cutmix_dm.py --workdir runs/a

The published tables hold mixup CE only: 85.68 after 200 epochs, in the tables
of OpenMixup (arXiv 2209.04851). No DM setting is published for it: eta is the
paper's, constant, and alpha that of mixup CE. Metric: median of the test top-1
of the last 10 epochs. Starts from torchvision's ImageNet parameters in
`pretrained/resnext50_32x4d.safetensors`, or `--config.pretrained=FILE`.
"""

from configs import recipes


def get_config(arg: str = ""):
  """The configuration; `:smoke` for two steps on noise."""
  return recipes.make(
      "fine", "cub200", "resnext50_32x4d", "cutmix", decoupled=True, arg=arg
  )

"""FGVC-Aircraft, ResNeXt-50 (32x4d), MixUp, DM(CE), 200 epochs.

    dmjax train --config configs/aircraft/resnext50_32x4d_mixup_dm.py --workdir runs/a

The published tables hold mixup CE only: 85.18 after 200 epochs, in the tables
of OpenMixup (arXiv 2209.04851). No DM setting is published for it: eta is the
paper's, constant, and alpha that of mixup CE. Metric: median of the test top-1
of the last 10 epochs. Starts from torchvision's ImageNet parameters in
`pretrained/resnext50_32x4d.safetensors`, or `--config.pretrained=FILE`.
"""

from configs import recipes


def get_config(arg: str = ""):
  """The configuration; `:smoke` for two steps on noise."""
  return recipes.make(
      "fine", "aircraft", "resnext50_32x4d", "mixup", decoupled=True, arg=arg
  )

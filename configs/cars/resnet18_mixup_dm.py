"""Stanford Cars, ResNet-18, MixUp, DM(CE), 200 epochs.

    dmjax train --config configs/cars/resnet18_mixup_dm.py --workdir runs/a

The published tables hold mixup CE only: 86.27 after 200 epochs, in the tables
of AdAutoMix (arXiv 2312.11954). No DM setting is published for it: eta is the
paper's, constant, and alpha that of mixup CE. Metric: median of the test top-1
of the last 10 epochs. Starts from torchvision's ImageNet parameters in
`pretrained/resnet18.safetensors`, or `--config.pretrained=FILE`.
"""

from configs import recipes


def get_config(arg: str = ""):
  """The configuration; `:smoke` for two steps on noise."""
  return recipes.make(
      "fine", "cars", "resnet18", "mixup", decoupled=True, arg=arg
  )

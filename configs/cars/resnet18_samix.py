"""Stanford Cars, ResNet-18, SAMix (arXiv 2111.15454), 60 epochs.

    dmjax train --config configs/cars/resnet18_samix.py --workdir runs/a

Expected top-1: 89.14 after 60 epochs, in the tables of AdAutoMix (arXiv
2312.11954). The teacher's head of clean images is evaluated, fixed in advance.
Metric: median of the test top-1 of the last 10 epochs. Starts from
torchvision's ImageNet parameters in `pretrained/resnet18.safetensors`, or
`--config.pretrained=FILE`.
"""

from configs import automix


def get_config(arg: str = ""):
  """The configuration; `:smoke` for two steps on noise."""
  return automix.make("fine", "cars", "resnet18", samix=True, arg=arg)

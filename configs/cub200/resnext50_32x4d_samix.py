"""CUB-200, ResNeXt-50 (32x4d), SAMix (arXiv 2111.15454), 200 epochs.

    dmjax train --config configs/cub200/resnext50_32x4d_samix.py \\
        --workdir runs/a

Expected top-1: 86.83 after 200 epochs, in the tables of OpenMixup (arXiv
2209.04851), which take the better of two heads at the best of three windows;
here the teacher's head of clean images is evaluated, fixed in advance. Metric:
median of the test top-1 of the last 10 epochs. Starts from torchvision's
ImageNet parameters in `pretrained/resnext50_32x4d.safetensors`, or
`--config.pretrained=FILE`.
"""

from configs import automix


def get_config(arg: str = ""):
  """The configuration; `:smoke` for two steps on noise."""
  return automix.make("fine", "cub200", "resnext50_32x4d", samix=True, arg=arg)

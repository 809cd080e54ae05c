"""ImageNet, ResNet-18, SAMix (arXiv 2111.15454), 300 epochs.

    dmjax train --config configs/imagenet/resnet18_300ep_samix.py \\
        --workdir runs/a

Expected top-1: 72.27 after 300 epochs, in the tables of OpenMixup (arXiv
2209.04851), which take the better of two heads at the best of three windows;
here the teacher's head of clean images is evaluated, fixed in advance. Metric:
median of the test top-1 of the last 10 epochs.
"""

from configs import automix


def get_config(arg: str = ""):
  """The configuration; `:smoke` for two steps on noise."""
  return automix.make("300ep", "imagenet", "resnet18", samix=True, arg=arg)

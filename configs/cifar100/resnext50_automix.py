"""CIFAR-100, ResNeXt-50 (32x4d), AutoMix (arXiv 2103.13027), 200 epochs.

    dmjax train --config configs/cifar100/resnext50_automix.py --workdir runs/a

The teacher's clean head is evaluated, fixed in advance. `:smoke` trains for a
few steps. See `configs/automix.py`.
"""

from configs import automix


def get_config(arg: str = ""):
  """The configuration."""
  config = automix.cifar("cifar100", "resnext50_32x4d")
  return automix.smoke(config) if arg == "smoke" else config

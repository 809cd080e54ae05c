"""CIFAR-10, ResNet-18, AutoMix (arXiv 2103.13027), 200 epochs.

    dmjax train --config configs/cifar10/resnet18_automix.py --workdir runs/a

The teacher's clean head is evaluated, fixed in advance. `:smoke` trains for a
few steps. See `configs/automix.py`.
"""

from configs import automix


def get_config(arg: str = ""):
  """The configuration."""
  config = automix.cifar("cifar10", "resnet18")
  return automix.smoke(config) if arg == "smoke" else config

"""AdAutoMix (arXiv 2312.11954) over any configuration."""

import copy
from typing import Any

import ml_collections

from dmjax.configs import automix
from dmjax.configs import table

# The method with ResNets on CIFAR; `groups` as in configs/automix.py.
METHOD = {
    "name": "adautomix",
    # Of the teacher's features.
    "stage": "stage3",
    "mix_block": {"embed": False, "upsample": "bilinear"},
    "beta": 0.3,
    "interval": 2,
    "cosine": "reward",
    "linear": 0.5,
    "lam_margin": 0.03,
    "momentum": 0.999,
    "end_momentum": 0.999999,
    "momentum_delay": 0.1,
    "groups": {"mix_block": {}},
}
# Three images, their shares drawn as one set for a batch.
MIX = {
    "name": "several", "count": 3,
    "mixer": {"name": "mixup", "alpha": 1.0, "per_batch": True},
}


def adautomix(
    config: ml_collections.ConfigDict, **changes: Any
) -> ml_collections.ConfigDict:
  """Makes a configuration one of AdAutoMix, as `automix.automix` does.

  Args:
    config: The configuration; its sections `mix`, `loss` and `method` are
      replaced.
    **changes: Options of the method that differ from `METHOD`.

  Returns:
    The same configuration.
  """
  config.mix = copy.deepcopy(MIX)
  config.loss = {"name": "mixup_cross_entropy"}
  config.method = copy.deepcopy(METHOD)
  config.method.update(changes)
  return config


def lay_over(
    config: ml_collections.ConfigDict, changes: table.Changes
) -> ml_collections.ConfigDict:
  """The same configuration as one of AdAutoMix, with its loss kept."""
  return automix.lay_over(config, changes, adautomix)

"""AutoMix and SAMix (arXiv 2103.13027, 2111.15454) over any configuration."""

from collections.abc import Callable
import copy
from typing import Any

import ml_collections

from dmjax.configs import table

NOTE = "the teacher's head of clean images is evaluated, fixed in advance"
OPTIMISTIC = (
    "the published tables take the better of two heads at the best of three"
    " windows"
)

# The method with ResNets on CIFAR. `groups` holds what differs from `optimizer`
# and `schedule` for a group of parameters:
# `{"mix_block": {"lr": .1, "end_lr": 1e-3, "momentum": 0.}}`.
METHOD = {
    "name": "automix",
    # Of the teacher's features.
    "stage": "stage3",
    "mix_block": {"name": "automix"},
    "mask_loss": {"name": "mask_l1", "per_batch": True},
    "mask_weight": 0.1,
    "mask_decay": False,
    "lam_margin": 0.08,
    "skip": 0.0,
    "momentum": 0.999,
    "end_momentum": 0.999999,
    "momentum_delay": 0.1,
    "groups": {"mix_block": {}},
}


def automix(
    config: ml_collections.ConfigDict, **changes: Any
) -> ml_collections.ConfigDict:
  """Makes a configuration one of AutoMix.

  The running average of the method is the teacher, so `ema_decay` goes.

  Args:
    config: The configuration; its sections `mix`, `loss` and `method` are
      replaced.
    **changes: Options of the method that differ from `METHOD`.

  Returns:
    The same configuration.
  """
  config.mix = {"name": "mixup", "alpha": 2.0, "per_batch": True}
  config.loss = {"name": "mixup_cross_entropy"}
  config.method = copy.deepcopy(METHOD)
  config.method.update(changes)
  return config


def lay_over(
    config: ml_collections.ConfigDict,
    changes: table.Changes,
    make: Callable[..., ml_collections.ConfigDict] = automix,
) -> ml_collections.ConfigDict:
  """The same configuration as one of AutoMix or what `make` makes of it.

  Args:
    config: The configuration, whose loss is kept.
    changes: Of method, optimizer, schedule and model.
    make: `automix`, or a function like it.

  Returns:
    The same configuration.
  """
  loss = config.loss
  make(config, **changes.method)
  config.loss = loss
  config.optimizer.update(changes.optimizer)
  config.schedule.update(changes.schedule)
  config.model.update(changes.model)
  return config

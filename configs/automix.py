"""The recipes of AutoMix and SAMix (arXiv 2103.13027, 2111.15454), as data.

Each is laid over a recipe of `configs/table.py`. Sources are the configurations
and tables of OpenMixup (arXiv 2209.04851).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import ml_collections

from configs import recipes


class Changes(NamedTuple):
  """What AutoMix changes in a recipe.

  Attributes:
    method: Options of the method that differ from those of ResNet on CIFAR.
    optimizer: Changes to the `optimizer` section.
    schedule: Changes to the `schedule` section.
  """

  method: Mapping[str, Any] = {}
  optimizer: Mapping[str, Any] = {}
  schedule: Mapping[str, Any] = {}


def _block(lr, end_lr, **optimizer):
  return {"mix_block": {"lr": lr, "end_lr": end_lr, **optimizer}}


def _large(stage, groups, **changes):
  """What all recipes beyond ResNets on CIFAR and Tiny-ImageNet share."""
  return {
      "stage": stage,
      "mix_block": {"name": "automix", "embedding": "concat"},
      "mask_decay": True,
      "end_momentum": 0.99999,
      "groups": groups,
      **changes,
  }


_CIFAR_VIT = {"momentum_delay": 0.25, "end_momentum": 0.99996}
_VIT = {"momentum_delay": 0.25, "skip": 0.2}
_IMAGENET = Changes(_large("stage3", _block(0.1, 1e-3)))

# On CIFAR and Tiny-ImageNet the rate ends high: the teacher does the annealing.
# Published Swin features are those after patch merging; here the map before it,
# of twice the resolution, is what `stage3` names.
CHANGES = {
    "cifar": Changes(schedule={"end_lr": 0.05}),
    "cifar_wide": Changes(
        {"stage": "stage2", "groups": {"mix_block": {"momentum": 0.0}}},
        schedule={"end_lr": 1e-3},
    ),
    "cifar_deit": Changes(
        _large("stage6", _block(1e-3, 1e-4), **_CIFAR_VIT),
        {"lr": 5e-4, "clip_norm": 10.0},
        {"end_lr": 1e-4, "warmup": "5 epochs"},
    ),
    "cifar_swin": Changes(
        _large("stage3", _block(1e-3, 1e-4), **_CIFAR_VIT),
        {"clip_norm": 10.0}, {"end_lr": 1e-4},
    ),
    "cifar_convnext": Changes(
        _large("stage3", _block(1e-3, 1e-4), **_CIFAR_VIT),
        {"lr": 2e-3}, {"end_lr": 1e-4},
    ),
    "tiny": Changes({"groups": _block(0.1, 1e-3)}, schedule={"end_lr": 0.05}),
    "100ep": _IMAGENET,
    "300ep": _IMAGENET,
    "deit": Changes(_large("stage6", _block(1e-3, 1e-4), **_VIT)),
    "swin": Changes(_large("stage3", _block(1e-3, 1e-4), **_VIT)),
    "convnext": Changes(
        _large("stage3", _block(4e-3, 1e-4), **_VIT | {"end_momentum": 0.99996})
    ),
    "cub200": Changes(_large("stage3", _block(0.01, 5e-4))),
    "aircraft": Changes(_large("stage3", _block(0.01, 5e-4))),
    "cars": Changes(_large("stage3", _block(0.1, 1e-3))),
}



def _samix(bend, **options):
  return {"mix_block": {"name": "samix", "bend": bend, **options}}


_SAMIX_VIT = _samix(-1.0, upsample="nearest")
_SAMIX_LARGE_VIT = Changes(_samix(-1.0, upsample="nearest", dropout=0.1))
_SAMIX_IMAGENET = Changes(_samix(-1.0, dropout=0.1))
_SAMIX_FINE = _samix(1.0, dropout=0.1)

# What SAMix changes in that of AutoMix.
SAMIX = {
    "cifar": Changes(_samix(0.25)),
    "cifar_wide": Changes(_samix(0.25)),
    "cifar_deit": Changes(
        _SAMIX_VIT | {"groups": _block(7.5e-4, 1e-4)},
        {"lr": 7.5e-4, "clip_norm": 20.0}, {"warmup": "20 epochs"},
    ),
    "cifar_swin": Changes(
        _SAMIX_VIT | {"groups": _block(5e-4, 1e-4)}, {"clip_norm": 20.0}
    ),
    "cifar_convnext": Changes(
        _SAMIX_VIT | {"groups": _block(7.5e-4, 1e-4)},
        {"lr": 1e-3, "clip_norm": 20.0},
    ),
    "tiny": Changes(_samix(0.25)),
    "100ep": _SAMIX_IMAGENET,
    "300ep": _SAMIX_IMAGENET,
    "deit": _SAMIX_LARGE_VIT,
    "swin": _SAMIX_LARGE_VIT,
    "convnext": _SAMIX_LARGE_VIT,
    "cub200": Changes(_SAMIX_FINE),
    "aircraft": Changes(_SAMIX_FINE | {"end_momentum": 0.99996}),
    "cars": Changes(_SAMIX_FINE),
}

# What a backbone has of its own, the first in AutoMix, the second in SAMix.
MIX_BLOCK_MOMENTUM = {("100ep", "resnet50"): 0.0}
BEND = {("tiny", "resnet18"): -1.0}
EPOCHS = {("cars", "resnet18"): 60}


def make(
    recipe: str, dataset: str, backbone: str, *, samix: bool = False,
    arg: str = "",
) -> ml_collections.ConfigDict:
  """The configuration of one published number of AutoMix or SAMix.

  Args:
    recipe: Key of `table.RECIPES`.
    dataset: Key of `datasets.DATASETS`.
    backbone: A network of `dmjax.models`.
    samix: Whether the Mix Block and its loss are those of SAMix.
    arg: `smoke` for a run of two steps on mock data with a tiny network.

  Returns:
    The configuration.

  Raises:
    ValueError: For an unknown argument.
  """
  key = dataset if recipe == "fine" else recipe
  changes = merged(CHANGES[key], SAMIX[key]) if samix else CHANGES[key]
  config = recipes.make(recipe, dataset, backbone, "mixup")
  config.optimizer.update(changes.optimizer)
  config.schedule.update(changes.schedule)
  config.ema_decay = 0.0  # The teacher is an average of its own.
  if (key, backbone) in EPOCHS:
    config.total = f"{EPOCHS[key, backbone]} epochs"
  loss = config.loss
  automix(config, **changes.method)
  config.loss = loss
  method = config.method
  if samix:
    method.mask_loss.variance = 2.0
    method.mix_block.bend = BEND.get((key, backbone), method.mix_block.bend)
  elif (key, backbone) in MIX_BLOCK_MOMENTUM:
    method.groups.mix_block.momentum = MIX_BLOCK_MOMENTUM[key, backbone]
  return recipes.for_arg(config, arg)


def merged(changes: Changes, more: Changes) -> Changes:
  """The changes with more of them, which come last."""
  return Changes(*({**a, **b} for a, b in zip(changes, more)))


def automix(config: Any, **changes: Any) -> Any:
  """Makes a configuration one of AutoMix.

  Args:
    config: The configuration; its sections `mix` and `method` are replaced.
    **changes: Options of the method that differ from those of CIFAR. `groups`
      holds the optimizer of the Mix Block, where it differs:
      `{"mix_block": {"lr": .1, "end_lr": 1e-3, "momentum": 0.}}`.

  Returns:
    The same configuration.
  """
  config.mix = {"name": "mixup", "alpha": 2.0, "per_batch": True}
  config.loss = {"name": "mixup_cross_entropy"}
  config.method = {
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
      # What differs from `optimizer` and `schedule`, per group of parameters.
      "groups": {"mix_block": {}},
  }
  config.method.update(changes)
  return config


def smoke(config: Any) -> Any:
  """The same configuration for a few steps."""
  config.update(batch_size=8, total="4 steps")
  config.schedule.warmup = "1 steps"
  config.evaluate.update(every="2 steps", batch_size=8)
  config.checkpoint.every = "2 steps"
  return config

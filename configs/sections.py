"""Sections that several recipes share."""

from collections.abc import Mapping
from typing import Any

from dmjax.configs import table

# The sum over classes, as in OpenMixup; timm's mean is smaller by their number.
BCE = {"name": "mixup_binary_cross_entropy", "threshold": 1.0, "power": 1.0}
CE = {"name": "mixup_cross_entropy", "label_smoothing": 0.0}
SMOOTH = {"name": "mixup_cross_entropy", "label_smoothing": 0.1}
BF16 = {"dtype": "bfloat16"}
STEM = {"stem": "imagenet"}
IMAGENET_PIXELS = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


def sgd(lr: float, weight_decay: float) -> dict[str, Any]:
  """SGD with momentum that decays norms and biases too."""
  return {
      "name": "sgd", "lr": lr, "momentum": 0.9, "weight_decay": weight_decay,
      "decay_all": True, "clip_norm": 0.0,
  }


def adamw(lr: float, clip_norm: float) -> dict[str, Any]:
  """AdamW as transformers are trained with."""
  return {
      "name": "adamw", "lr": lr, "weight_decay": 0.05, "decay_all": False,
      "clip_norm": clip_norm,
  }


def lamb(lr: float) -> dict[str, Any]:
  """LAMB as RSB trains ResNets with."""
  return {
      "name": "lamb", "lr": lr, "weight_decay": 0.02, "decay_all": False,
      "clip_norm": 0.0,
  }


def per_step(warmup: int, end_lr: float) -> dict[str, Any]:
  """A rate that changes with every step, after `warmup` epochs."""
  return {"per_epoch": False, "warmup": f"{warmup} epochs", "end_lr": end_lr}


def streaming(
    size: int, scale: tuple[float, float] = (0.08, 1.0), **options: Any
) -> dict[str, Any]:
  """Random resized crops of `size`, decoded by workers."""
  return {
      "pipeline": "streaming", "workers": 16, "image_size": size,
      "crop_padding": 0, "crop_scale": scale, **options,
  }


def rand_augment(magnitude: int) -> str:
  """The policy of timm with a magnitude that varies."""
  return f"rand-m{magnitude}-mstd0.5-inc1"


def cifar_augment(magnitude: int) -> str:
  """The policy of OpenMixup on CIFAR: FixMatch's operations."""
  return f"openmixup-m{magnitude}-mstd0.5"


def one(name: str, alpha: float | None = None, **options: Any) -> dict[str, Any]:
  """A `mix` section: one draw for a batch."""
  section = {"name": name, "per_batch": True, **options}
  return section if alpha is None else {**section, "alpha": alpha}


def either(
    *mixers: Mapping[str, Any], probs: tuple[float, ...] = (0.5, 0.5)
) -> dict[str, Any]:
  """A `mix` section: one of several mixers for a batch."""
  return {
      "name": "choose", "mixers": mixers, "probs": probs, "per_batch": True,
  }


def mixup_or_cutmix(mixup: float, cutmix: float) -> dict[str, Any]:
  """The switch of timm and DeiT, with the alpha of either."""
  return either(one("mixup", mixup), one("cutmix", cutmix))


# AlignMix is published in turns with manifold mixup.
ALIGNMIX = either(one("manifold_mixup", 2.0), one("alignmix", 2.0))
# PuzzleMix of large images has no blocks finer than 8 x 8.
PUZZLEMIX = one("puzzlemix", 1.0, blocks=(2, 4, 8))
# Mixers of vision transformers, in turns with mixup.
TOKENS = {
    "transmix": either(
        one("mixup", 0.8), one("transmix", 1.0), probs=(0.2, 0.8)
    ),
    "tokenmix": either(
        one("tokenmix", 1.0), one("mixup", 1.0), probs=(0.9, 0.1)
    ),
    "smmix": either(
        one("smmix", partner="flip"), one("mixup", 1.0), probs=(0.8, 0.2)
    ),
    "mixpro": either(one("mixpro", 1.0), one("mixup", 1.0), probs=(0.8, 0.2)),
    "tlalign": either(one("mixup", 0.8), one("tlalign", 1.0)),
    "mergemix": either(one("mergemix", 1.0), one("mixup", 0.8)),
}
REGIONS = {"smmix": {"method.regions": True}}


def sharpness(rho: float) -> dict[str, dict[str, Any]]:
  """`wrap` sections by their words: SAM, with mixup G-Mix, and its two forms."""
  sam = {"name": "sam", "rho": rho}
  return {
      "sam": sam,
      "bgmix": sam | {"split": "binary"},
      "dgmix": sam | {"split": "decomposed"},
  }


# AutoMix and SAMix.


def learned(
    automix: table.Changes, samix: table.Changes
) -> dict[str, table.Changes]:
  """Both, those of SAMix laid over those of AutoMix."""
  return {"automix": automix, "samix": automix.then(samix)}


def block(lr: float, end_lr: float, **optimizer: Any) -> dict[str, Any]:
  """Parameters of the Mix Block with an optimizer of their own."""
  return {"mix_block": {"lr": lr, "end_lr": end_lr, **optimizer}}


def large(
    stage: str, groups: Mapping[str, Any], **changes: Any
) -> dict[str, Any]:
  """What AutoMix changes beyond ResNets on CIFAR and Tiny-ImageNet."""
  return {
      "stage": stage,
      "mix_block": {"name": "automix", "embedding": "concat"},
      "mask_decay": True,
      "end_momentum": 0.99999,
      "groups": groups,
      **changes,
  }


def bent(bend: float, **options: Any) -> dict[str, Any]:
  """The Mix Block of SAMix, and its loss with the variance of the mask."""
  return {
      "mix_block": {"name": "samix", "bend": bend, **options},
      "mask_loss": {"name": "mask_l1", "per_batch": True, "variance": 2.0},
  }

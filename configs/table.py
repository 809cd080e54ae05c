"""What recipes are written with: rows of tables, and sections they share.

Each dataset has a file with its recipes and its published accuracies, as data.
Sources are the configurations and result tables of OpenMixup (arXiv
2209.04851), which is the code of Decoupled Mixup (arXiv 2203.10761), AutoMix
(arXiv 2103.13027) and SAMix (arXiv 2111.15454); where another is used, the
table says so.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

OPENMIXUP = "OpenMixup (arXiv 2209.04851)"
ADAUTOMIX = "AdAutoMix (arXiv 2312.11954)"


class Changes(NamedTuple):
  """What AutoMix or SAMix changes in a recipe.

  Attributes:
    method: Options of the method that differ from `automix.METHOD`.
    optimizer: Changes to the `optimizer` section.
    schedule: Changes to the `schedule` section.
  """

  method: Mapping[str, Any] = {}
  optimizer: Mapping[str, Any] = {}
  schedule: Mapping[str, Any] = {}

  def then(self, more: "Changes") -> "Changes":
    """These changes with more of them, which come last."""
    return Changes(*({**a, **b} for a, b in zip(self, more)))


class Decoupled(NamedTuple):
  """A published setting of DM(CE), with an alpha and a decay of its own."""

  alpha: float
  eta: float
  select: str
  power: float
  weight_decay: float = 1e-4


class Recipe(NamedTuple):
  """How a network is trained, whatever the mixer.

  Attributes:
    batch_size: Over all devices.
    optimizer: The whole `optimizer` section.
    loss: The `loss` section without DM.
    alphas: Of Beta(alpha, alpha) by mixer, one draw for a batch. The pair of
      `mixup_cutmix` is that of MixUp and that of CutMix, one of the two mixing
      a batch.
    schedule: Changes to the `schedule` section, whose rate holds in an epoch.
    data: Changes to the `data` section.
    model: Options of the network.
    ema_decay: Of the running average that is evaluated; 0 for none.
    pretrained: Whether training starts from torchvision's ImageNet parameters.
    weight_decays: By mixer, where it is not the optimizer's.
    decoupled: Settings of DM by mixer. Where nothing is published, that of the
      paper is used with the alpha and the weight decay of mixup CE.
    decoupled_note: What is to be known of them.
    learned: Changes of `automix` and `samix`.
  """

  batch_size: int
  optimizer: Mapping[str, Any]
  loss: Mapping[str, Any]
  alphas: Mapping[str, Any]
  schedule: Mapping[str, Any] = {}
  data: Mapping[str, Any] = {}
  model: Mapping[str, Any] = {}
  ema_decay: float = 0.0
  pretrained: bool = False
  weight_decays: Mapping[str, float] = {}
  decoupled: Mapping[str, Decoupled] = {}
  decoupled_note: str = "alpha, eta and weight decay are those published"
  learned: Mapping[str, Changes] = {}


class Table(NamedTuple):
  """Published accuracies, and the recipes of their networks.

  Attributes:
    networks: Recipes by network, in the order of the columns.
    epochs: Lengths of training, the columns of each network. The first is that
      of the recipe; others are had by `--config.total='800 epochs'`.
    top1: By mixer, the numbers of the columns in percent, None for no number
      and () for none at all.
    word: Of the recipe in the argument; may be left out if a network has one.
    rule: Of the numbers: `best`, `last` or `median` of the evaluations.
    last: Over how many last evaluations; 0 for the whole run.
    source: Where the numbers are from; empty if nothing is published.
    costs: By (network, mixer) or network, what the source reports.
    plain: Mixers without a DM form.
  """

  networks: Mapping[str, Recipe]
  epochs: tuple[int, ...]
  top1: Mapping[str, tuple[float | None, ...]]
  word: str = ""
  rule: str = "median"
  last: int = 10
  source: str = OPENMIXUP
  costs: Mapping[Any, str] = {}
  plain: tuple[str, ...] = ("identity", "automix", "samix")


class Suite(NamedTuple):
  """All of one dataset: its name in arguments, its data section, its tables."""

  name: str
  data: Mapping[str, Any]
  tables: tuple[Table, ...]


# Sections.

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


# AutoMix and SAMix.


def learned(automix: Changes, samix: Changes) -> dict[str, Changes]:
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

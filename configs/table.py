"""The published recipes, once, as data.

Every configuration is built from this table by `configs/recipes.py`. Sources
are the configurations and result tables of OpenMixup (arXiv 2209.04851), which
is the code of Decoupled Mixup (arXiv 2203.10761), and for `rsb` and `deit` the
recipes of timm (arXiv 2110.00476) and DeiT (arXiv 2012.12877).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Recipe(NamedTuple):
  """How a network is trained, whatever the mixer.

  Attributes:
    alphas: Row of `ALPHAS`.
    epochs: Length of training.
    batch_size: Over all devices.
    optimizer: The whole `optimizer` section.
    loss: The `loss` section without DM.
    schedule: Changes to the `schedule` section: per epoch, no warm-up.
    data: Changes to the `data` section.
    model: Options of the network.
    ema_decay: Of the running average; 0 for none.
    pretrained: Whether training starts from ImageNet parameters.
  """

  alphas: str
  epochs: int
  batch_size: int
  optimizer: Mapping[str, Any]
  loss: Mapping[str, Any]
  schedule: Mapping[str, Any] = {}
  data: Mapping[str, Any] = {}
  model: Mapping[str, Any] = {}
  ema_decay: float = 0.0
  pretrained: bool = False


def _sgd(lr, weight_decay):
  return {
      "name": "sgd", "lr": lr, "momentum": 0.9, "weight_decay": weight_decay,
      "decay_all": True, "clip_norm": 0.0,
  }


def _adamw(lr, clip_norm):
  return {
      "name": "adamw", "lr": lr, "weight_decay": 0.05, "decay_all": False,
      "clip_norm": clip_norm,
  }


def _lamb(lr):
  return {
      "name": "lamb", "lr": lr, "weight_decay": 0.02, "decay_all": False,
      "clip_norm": 0.0,
  }


def _per_step(warmup, end_lr):
  return {"per_epoch": False, "warmup": f"{warmup} epochs", "end_lr": end_lr}


def _streaming(size, scale=(0.08, 1.0), **options):
  return {
      "pipeline": "streaming", "workers": 16, "image_size": size,
      "crop_padding": 0, "crop_scale": scale, **options,
  }


_CE = {"name": "mixup_cross_entropy", "label_smoothing": 0.0}
_SMOOTH = {"name": "mixup_cross_entropy", "label_smoothing": 0.1}
# The sum over classes, as in OpenMixup; timm's mean is smaller by their number.
_BCE = {"name": "mixup_binary_cross_entropy", "threshold": 1.0, "power": 1.0}
_STEM = {"stem": "imagenet"}
_M9, _M7, _M6 = (f"rand-m{m}-mstd0.5-inc1" for m in (9, 7, 6))
_RSB = {"per_epoch": True, "warmup": "5 epochs", "end_lr": 1e-6}
_BF16 = {"dtype": "bfloat16"}
_DEIT_DATA = _streaming(
    224, rand_augment=_M9, jitter=0.4, erase=0.25, test_resize=256
)

RECIPES = {
    "cifar": Recipe("cifar", 200, 100, _sgd(0.1, 1e-4), _CE),
    "cifar_wide": Recipe("cifar", 400, 100, _sgd(0.03, 1e-3), _CE),
    "cifar_deit": Recipe(
        "cifar_vit", 200, 100, _adamw(1e-3, 5.0), _SMOOTH, _per_step(20, 1e-6),
        _streaming(224, (0.8, 1.0), rand_augment=_M9, erase=0.25),
    ),
    "cifar_swin": Recipe(
        "cifar_vit", 200, 100, _adamw(5e-4, 5.0), _SMOOTH, _per_step(20, 1e-6),
        _streaming(224, (0.8, 1.0), rand_augment=_M7), {"drop_path": 0.2},
    ),
    "cifar_convnext": Recipe(
        "cifar_vit", 200, 100, _adamw(1e-3, 0.0), _SMOOTH, _per_step(20, 1e-6),
        {"pipeline": "streaming", "workers": 16, "rand_augment": _M7},
        {"drop_path": 0.3},
    ),
    "tiny": Recipe(
        "tiny", 400, 100, _sgd(0.2, 1e-4), _CE,
        data={"crop_padding": 0, "crop_scale": (0.08, 1.0)},
    ),
    "100ep": Recipe(
        "imagenet", 100, 256, _sgd(0.1, 1e-4), _CE,
        data=_streaming(224, test_resize=256), model=_STEM,
    ),
    "300ep": Recipe(
        "imagenet", 300, 256, _sgd(0.1, 1e-4), _CE,
        data=_streaming(224, test_resize=256), model=_STEM,
    ),
    "rsb_a3": Recipe(
        "rsb", 100, 2048, _lamb(8e-3), _BCE, _RSB | {"warmup_lr": 8e-8},
        _streaming(
            160, rand_augment=_M6, test_image_size=224, test_resize=236
        ),
        _STEM | _BF16,
    ),
    "rsb_a2": Recipe(
        "rsb", 300, 2048, _lamb(5e-3), _BCE, _RSB | {"warmup_lr": 5e-8},
        _streaming(224, rand_augment=_M7, test_resize=236, repeats=3),
        _STEM | _BF16 | {"drop_path": 0.05},
    ),
    "deit": Recipe(
        "deit", 300, 1024, _adamw(1e-3, 5.0), _SMOOTH, _per_step(5, 1e-5),
        _DEIT_DATA, _BF16 | {"drop_path": 0.1},
    ),
    "swin": Recipe(
        "deit", 300, 1024, _adamw(1e-3, 5.0), _SMOOTH, _per_step(20, 1e-5),
        _DEIT_DATA, _BF16 | {"drop_path": 0.2},
    ),
    "convnext": Recipe(
        "deit", 300, 4096, _adamw(4e-3, 0.0), _SMOOTH, _per_step(20, 1e-6),
        _DEIT_DATA, _STEM | _BF16 | {"drop_path": 0.1}, ema_decay=0.9999,
    ),
    "fine": Recipe(
        "fine", 200, 16, _sgd(1e-3, 5e-4), _CE,
        data=_streaming(224, (0.5, 1.0), test_resize=256), model=_STEM,
        pretrained=True,
    ),
}

# Of Beta(alpha, alpha), one draw for a batch. A pair is that of MixUp and that
# of CutMix, one of the two mixing a batch.
ALPHAS = {
    "cifar": {
        "mixup": 1.0, "cutmix": 0.2, "manifold_mixup": 2.0, "saliencymix": 0.2,
        "attentivemix": 2.0, "fmix": 0.2, "gridmix": 0.2, "puzzlemix": 1.0,
        "resizemix": 1.0, "alignmix": 2.0,
    },
    "cifar_vit": {"mixup": 0.8, "cutmix": 2.0, "mixup_cutmix": (0.8, 1.0)},
    "tiny": {"mixup": 1.0, "cutmix": 1.0},
    "imagenet": {"mixup": 0.2, "cutmix": 1.0},
    "rsb": {"mixup": 0.2, "cutmix": 0.2, "mixup_cutmix": (0.1, 1.0)},
    "deit": {"mixup": 0.2, "cutmix": 0.2, "mixup_cutmix": (0.8, 1.0)},
    "fine": {"mixup": 0.2, "cutmix": 1.0},
}

# What a backbone has of its own.
ALPHA_EXCEPTIONS = {
    ("100ep", "resnet18", "cutmix"): 0.2, ("300ep", "resnet18", "cutmix"): 0.2,
}

# What guides a mixer that asks for saliency, where it is not the gradient.
SALIENCY = {"saliencymix": "fine_grained"}

# ResNeXt-50 on CIFAR decays more with mixers that cut.
CUTTING = ("cutmix", "attentivemix", "saliencymix", "fmix", "resizemix")
CUTTING_WEIGHT_DECAY = {("cifar", "resnext50_32x4d"): 5e-4}

# DM(CE) of the paper: a constant eta for both classes. Where nothing is
# published, this is used with the alpha and weight decay of mixup CE.
DECOUPLED_CE = {"eta": 0.1, "select": "both", "power": 0.0}
# DM(BCE): targets min(w**0.8, 1). A choice of this table: none is published.
DECOUPLED_BCE = {"threshold": 1.0, "power": 0.8}


class Decoupled(NamedTuple):
  """A published setting of DM(CE), which has an alpha and a decay of its own."""

  alpha: float
  eta: float
  select: str
  power: float
  weight_decay: float = 1e-4


DECOUPLED = {
    ("cifar100", "resnet18"): {
        "mixup": Decoupled(0.2, 0.01, "more", 0.5),
        "cutmix": Decoupled(0.2, 0.1, "less", 0.5),
        "manifold_mixup": Decoupled(0.5, 0.01, "more", 0.0),
        "fmix": Decoupled(0.2, 0.01, "less", 0.0),
        "resizemix": Decoupled(0.2, 0.1, "less", 0.5),
        "saliencymix": Decoupled(0.2, 0.01, "less", 0.0),
    },
    ("cifar100", "resnext50_32x4d"): {
        "mixup": Decoupled(0.2, 0.01, "both", 1.0),
        "cutmix": Decoupled(0.2, 0.1, "both", 1.0, 5e-4),
        "manifold_mixup": Decoupled(2.0, 0.05, "both", 1.0),
        "fmix": Decoupled(0.2, 0.5, "both", 0.0, 5e-4),
        "resizemix": Decoupled(0.2, 0.01, "less", 0.0, 5e-4),
        "saliencymix": Decoupled(0.2, 0.1, "both", 1.0, 5e-4),
    },
    ("imagenet", "resnet18"): {"mixup": Decoupled(1.0, 0.1, "both", 1.0)},
    ("imagenet", "resnet50"): {"mixup": Decoupled(1.0, 0.1, "both", 1.0)},
}

# The recipes of every backbone: one file each for no mixing, for MixUp, CutMix
# and their choice where `ALPHAS` has it, and for each of these with DM. The two
# backbones of the CIFAR-100 benchmark have all its mixers.
_CNN = {"resnet18": ("cifar",), "resnext50_32x4d": ("cifar",)}
_FINE = {"resnet18": ("fine",), "resnext50_32x4d": ("fine",)}
TRAINED = {
    "cifar10": _CNN,
    "cifar100": _CNN | {
        "wide_resnet28_8": ("cifar_wide",), "deit_small": ("cifar_deit",),
        "swin_tiny": ("cifar_swin",), "convnext_tiny": ("cifar_convnext",),
    },
    "tiny_imagenet": {"resnet18": ("tiny",), "resnext50_32x4d": ("tiny",)},
    "imagenet": {
        "resnet18": ("100ep", "300ep"), "resnet34": ("100ep", "300ep"),
        "resnet50": ("100ep", "300ep", "rsb_a3", "rsb_a2"),
        "resnet101": ("100ep", "300ep"), "resnext101_32x4d": ("100ep",),
        "mobilenetv2": ("rsb_a3", "rsb_a2"), "deit_tiny": ("deit",),
        "deit_small": ("deit",), "deit_base": ("deit",),
        "swin_tiny": ("swin",), "convnext_tiny": ("convnext",),
    },
    "cub200": _FINE | {"resnet50": ("fine",)},
    "aircraft": _FINE,
    "cars": _FINE,
}
BENCHMARK = (
    "mixup", "cutmix", "manifold_mixup", "smoothmix", "saliencymix",
    "attentivemix", "fmix", "gridmix", "puzzlemix", "comixup", "resizemix",
    "alignmix",
)

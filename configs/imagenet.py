"""ImageNet: ResNets as PyTorch and RSB train them, DeiT, Swin and ConvNeXt.

    dmjax train --config imagenet:resnet50,100ep,cutmix,dm --workdir runs/a
    dmjax train --config imagenet:resnet50,rsb_a3,mixup_cutmix,dm \\
        --workdir runs/b
    dmjax train --config imagenet:deit_small,mixup_cutmix,dm --workdir runs/c

`100ep` and `300ep` are the recipe of PyTorch, `rsb_a3` and `rsb_a2` those of
timm with binary cross-entropy (arXiv 2110.00476) for 100 and 300 epochs; the
word may be left out where a network has one recipe. Transformers and ConvNeXt
are trained as DeiT is (arXiv 2012.12877).
"""

import ml_collections

from dmjax.configs import build
from dmjax.configs import table
from dmjax.configs.table import Changes
from dmjax.configs.table import Decoupled

DATA = {
    "name": "imagenet2012", "train": "train", "test": "validation",
    **table.IMAGENET_PIXELS,
}

# The recipe of PyTorch. The only DM that is published is that of MixUp.
_DECOUPLED = {"mixup": Decoupled(1.0, 0.1, "both", 1.0)}
_AUTOMIX = Changes(table.large("stage3", table.block(0.1, 1e-3)))
_SAMIX = Changes(table.bent(-1.0, dropout=0.1))
_RESNET = table.Recipe(
    batch_size=256,
    optimizer=table.sgd(0.1, 1e-4),
    loss=table.CE,
    alphas={"mixup": 0.2, "cutmix": 1.0},
    data=table.streaming(224, test_resize=256),
    model=table.STEM,
    learned=table.learned(_AUTOMIX, _SAMIX),
)
_RESNET18 = _RESNET._replace(
    alphas={"mixup": 0.2, "cutmix": 0.2}, decoupled=_DECOUPLED
)
_RESNET50 = _RESNET._replace(decoupled=_DECOUPLED)
# In 100 epochs the Mix Block of ResNet-50 has no momentum, but SAMix's has.
_STILL = Changes({"groups": table.block(0.1, 1e-3, momentum=0.0)})
_RESNET50_100EP = _RESNET50._replace(
    learned=_RESNET.learned | {"automix": _AUTOMIX.then(_STILL)}
)

# RSB. DM(BCE) is our choice; that of MixUp keeps alpha and decay of DM(CE).
_RSB_A3 = table.Recipe(
    batch_size=2048,
    optimizer=table.lamb(8e-3),
    loss=table.BCE,
    alphas={"mixup": 0.2, "cutmix": 0.2, "mixup_cutmix": (0.1, 1.0)},
    schedule={"warmup": "5 epochs", "warmup_lr": 8e-8, "end_lr": 1e-6},
    data=table.streaming(
        160, rand_augment=table.rand_augment(6), test_image_size=224,
        test_resize=236,
    ),
    model=table.STEM | table.BF16,
    decoupled=_DECOUPLED,
    decoupled_note=(
        "no DM(BCE) is published: its setting is our choice, alpha and weight"
        " decay are those published for DM(CE)"
    ),
)
_RSB_A2 = _RSB_A3._replace(
    optimizer=table.lamb(5e-3),
    schedule={"warmup": "5 epochs", "warmup_lr": 5e-8, "end_lr": 1e-6},
    data=table.streaming(
        224, rand_augment=table.rand_augment(7), test_resize=236, repeats=3
    ),
    model=table.STEM | table.BF16 | {"drop_path": 0.05},
)
# MobileNetV2 has one stem, and drops no paths.
_MOBILE = {"model": table.BF16, "decoupled": {}}

# DeiT, Swin and ConvNeXt. Published Swin features are those after patch
# merging; here `stage3` is the map before it, of twice the resolution.
_SHARED = {"momentum_delay": 0.25, "skip": 0.2}
_SAMIX_NEAREST = Changes(table.bent(-1.0, upsample="nearest", dropout=0.1))


def _learned(stage, lr, **changes):
  blocks = table.large(stage, table.block(lr, 1e-4), **_SHARED, **changes)
  return table.learned(Changes(blocks), _SAMIX_NEAREST)


_DEIT = table.Recipe(
    batch_size=1024,
    optimizer=table.adamw(1e-3, 5.0),
    loss=table.SMOOTH,
    alphas={"mixup": 0.2, "cutmix": 0.2, "mixup_cutmix": (0.8, 1.0)},
    schedule=table.per_step(5, 1e-5),
    data=table.streaming(
        224, rand_augment=table.rand_augment(9), jitter=0.4, erase=0.25,
        test_resize=256,
    ),
    model=table.BF16 | {"drop_path": 0.1},
    learned=_learned("stage6", 1e-3),
)
_SWIN = _DEIT._replace(
    schedule=table.per_step(20, 1e-5),
    model=table.BF16 | {"drop_path": 0.2},
    learned=_learned("stage3", 1e-3),
)
_CONVNEXT = _DEIT._replace(
    batch_size=4096,
    optimizer=table.adamw(4e-3, 0.0),
    schedule=table.per_step(20, 1e-6),
    model=table.STEM | table.BF16 | {"drop_path": 0.1},
    ema_decay=0.9999,
    learned=_learned("stage3", 4e-3, end_momentum=0.99996),
)

# Top-1 of ResNet-18, 34, 50, 101 and ResNeXt-101.
_100EP_TOP1 = {
    "identity": (70.04, 73.85, 76.83, 78.18, 78.71),
    "mixup": (69.98, 73.97, 77.12, 78.97, 79.98),
    "cutmix": (68.95, 73.58, 77.17, 78.96, 80.42),
    "automix": (70.50, 74.52, 77.91, 79.87, 80.89),
    "samix": (70.83, 74.95, 78.14, 80.05, 80.98),
}
# ResNet-18, 34, 50 and 101.
_300EP_TOP1 = {
    "identity": (71.83, 75.29, 77.35, 78.91),
    "mixup": (71.72, 75.73, 78.44, 80.60),
    "cutmix": (71.01, 75.16, 78.69, 80.59),
    "automix": (72.05, 76.10, 79.25, 80.98),
    "samix": (72.27, 76.28, 79.39, 81.10),
}
# ResNet-50 and MobileNetV2.
_RSB_A3_TOP1 = {
    "mixup": (77.66, 70.17),
    "cutmix": (77.62, 69.62),
    "mixup_cutmix": (78.08, 69.86),
}
_RSB_A2_TOP1 = {
    "mixup": (79.39, 72.78),
    "cutmix": (79.38, 72.23),
    "mixup_cutmix": (79.80, 72.87),
}
# DeiT-T, DeiT-S, DeiT-B, Swin-T and ConvNeXt-T.
_DEIT_TOP1 = {
    "identity": (73.91, 75.66, 77.09, 80.21, 79.22),
    "mixup": (74.69, 77.72, 78.98, 81.01, 80.88),
    "cutmix": (74.23, 80.13, 81.61, 81.33, 81.57),
    "mixup_cutmix": (74.50, 79.80, 81.83, 81.20, 82.10),
    "automix": (75.52, 80.78, 82.18, 81.80, 82.28),
    "samix": (75.83, 80.94, 82.85, 81.87, 82.35),
}

SUITE = table.Suite("imagenet", DATA, (
    table.Table(
        {
            "resnet18": _RESNET18, "resnet34": _RESNET,
            "resnet50": _RESNET50_100EP, "resnet101": _RESNET,
            "resnext101_32x4d": _RESNET,
        },
        (100,), _100EP_TOP1, "100ep", last=5,
    ),
    table.Table(
        {
            "resnet18": _RESNET18, "resnet34": _RESNET, "resnet50": _RESNET50,
            "resnet101": _RESNET,
        },
        (300,), _300EP_TOP1, "300ep",
    ),
    table.Table(
        {"resnet50": _RSB_A3, "mobilenetv2": _RSB_A3._replace(**_MOBILE)},
        (100,), _RSB_A3_TOP1, "rsb_a3", last=5,
    ),
    table.Table(
        {"resnet50": _RSB_A2, "mobilenetv2": _RSB_A2._replace(**_MOBILE)},
        (300,), _RSB_A2_TOP1, "rsb_a2",
    ),
    table.Table(
        {
            "deit_tiny": _DEIT, "deit_small": _DEIT, "deit_base": _DEIT,
            "swin_tiny": _SWIN, "convnext_tiny": _CONVNEXT,
        },
        (300,), _DEIT_TOP1, rule="best", last=0,
    ),
))


def get_config(arg: str) -> ml_collections.ConfigDict:
  """The configuration of words such as `resnet50,rsb_a3,mixup_cutmix,dm`."""
  return build.get_config(SUITE, arg)

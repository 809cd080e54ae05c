"""CIFAR-100: every mixer on ResNets, and the best known ones on transformers.

    dmjax train --config cifar100:resnet18,cutmix,dm --workdir runs/a
    dmjax train --config cifar100:resnet18,cutmix,dm --workdir runs/b \\
        --config.total='800 epochs'
    dmjax train --config cifar100:deit_small,mixup_cutmix --workdir runs/c

What AutoMix has learned mixes for another run, by the Mix Block and the teacher
of `--config.mix.workdir`; every step costs a pass of that teacher, up to the
stage of the features:

    dmjax train --config cifar100:resnet18,automix \\
        --workdir runs/resnet18_automix_cifar100
    dmjax train --config cifar100:resnet18,mix_block,dm --workdir runs/d

ResNets and ConvNeXt see 32 pixels, DeiT and Swin crops resized to 224.
"""

import ml_collections

from dmjax.configs import build
from dmjax.configs import table
from dmjax.configs.table import Changes
from dmjax.configs.table import Decoupled

# The deviations are those that every published recipe copies: the mean over
# images of the deviation within one.
PIXELS = {"mean": (0.4914, 0.4822, 0.4465), "std": (0.2023, 0.1994, 0.2010)}
DATA = {
    "name": "cifar100", "train": "train", "test": "test",
    "crop_mode": "reflect", **PIXELS,
}

# ResNets. In AutoMix the rate ends high: the teacher does the annealing.
_RESNET = table.Recipe(
    batch_size=100,
    optimizer=table.sgd(0.1, 1e-4),
    loss=table.CE,
    alphas={
        "mixup": 1.0, "cutmix": 0.2, "manifold_mixup": 2.0, "saliencymix": 0.2,
        "attentivemix": 2.0, "fmix": 0.2, "gridmix": 0.2, "puzzlemix": 1.0,
        "resizemix": 1.0, "alignmix": 2.0, "mix_block": 2.0,
    },
    learned=table.learned(
        Changes(schedule={"end_lr": 0.05}), Changes(table.bent(0.25))
    ),
)

# DM(CE) as published: alpha, eta, select, power and weight decay.
_NOTE = (
    "alpha, eta and weight decay are those published, for 800 epochs:"
    " --config.total='800 epochs'"
)
_RESNET18 = _RESNET._replace(decoupled_note=_NOTE, decoupled={
    "mixup": Decoupled(0.2, 0.01, "more", 0.5),
    "cutmix": Decoupled(0.2, 0.1, "less", 0.5),
    "manifold_mixup": Decoupled(0.5, 0.01, "more", 0.0),
    "fmix": Decoupled(0.2, 0.01, "less", 0.0),
    "resizemix": Decoupled(0.2, 0.1, "less", 0.5),
    "saliencymix": Decoupled(0.2, 0.01, "less", 0.0),
})
# ResNeXt-50 decays more with mixers that cut.
_CUTTING = ("cutmix", "attentivemix", "saliencymix", "fmix", "resizemix")
_RESNEXT50 = _RESNET._replace(
    weight_decays=dict.fromkeys(_CUTTING, 5e-4),
    decoupled_note=_NOTE,
    decoupled={
        "mixup": Decoupled(0.2, 0.01, "both", 1.0),
        "cutmix": Decoupled(0.2, 0.1, "both", 1.0, 5e-4),
        "manifold_mixup": Decoupled(2.0, 0.05, "both", 1.0),
        "fmix": Decoupled(0.2, 0.5, "both", 0.0, 5e-4),
        "resizemix": Decoupled(0.2, 0.01, "less", 0.0, 5e-4),
        "saliencymix": Decoupled(0.2, 0.1, "both", 1.0, 5e-4),
    },
)
RESNETS = {"resnet18": _RESNET18, "resnext50_32x4d": _RESNEXT50}

_WIDE_RESNET = _RESNET._replace(
    optimizer=table.sgd(0.03, 1e-3),
    learned=table.learned(
        Changes(
            {"stage": "stage2", "groups": {"mix_block": {"momentum": 0.0}}},
            schedule={"end_lr": 1e-3},
        ),
        Changes(table.bent(0.25)),
    ),
)
# What AutoMix has learned, with the DM of CutMix.
_MIX_BLOCK = _RESNET._replace(
    decoupled={"mix_block": Decoupled(2.0, 0.1, "less", 0.5)},
    decoupled_note="eta is that of CutMix",
)

# Transformers and ConvNeXt. Published Swin features are those after patch
# merging; here `stage3` is the map before it, of twice the resolution.
_SHARED = {"momentum_delay": 0.25, "end_momentum": 0.99996}
_NEAREST = table.bent(-1.0, upsample="nearest")
_DEIT = table.Recipe(
    batch_size=100,
    optimizer=table.adamw(1e-3, 5.0),
    loss=table.SMOOTH,
    alphas={"mixup": 0.8, "cutmix": 2.0, "mixup_cutmix": (0.8, 1.0)},
    schedule=table.per_step(20, 1e-6),
    data=table.streaming(
        224, (0.8, 1.0), rand_augment=table.rand_augment(9), erase=0.25
    ),
    learned=table.learned(
        Changes(
            table.large("stage6", table.block(1e-3, 1e-4), **_SHARED),
            {"lr": 5e-4, "clip_norm": 10.0},
            {"end_lr": 1e-4, "warmup": "5 epochs"},
        ),
        Changes(
            _NEAREST | {"groups": table.block(7.5e-4, 1e-4)},
            {"lr": 7.5e-4, "clip_norm": 20.0}, {"warmup": "20 epochs"},
        ),
    ),
)
_SWIN = _DEIT._replace(
    optimizer=table.adamw(5e-4, 5.0),
    data=table.streaming(224, (0.8, 1.0), rand_augment=table.rand_augment(7)),
    model={"drop_path": 0.2},
    learned=table.learned(
        Changes(
            table.large("stage3", table.block(1e-3, 1e-4), **_SHARED),
            {"clip_norm": 10.0}, {"end_lr": 1e-4},
        ),
        Changes(
            _NEAREST | {"groups": table.block(5e-4, 1e-4)}, {"clip_norm": 20.0}
        ),
    ),
)
_CONVNEXT = _DEIT._replace(
    optimizer=table.adamw(1e-3, 0.0),
    data={
        "pipeline": "streaming", "workers": 16,
        "rand_augment": table.rand_augment(7),
    },
    model={"drop_path": 0.3},
    learned=table.learned(
        Changes(
            table.large("stage3", table.block(1e-3, 1e-4), **_SHARED),
            {"lr": 2e-3}, {"end_lr": 1e-4},
        ),
        Changes(
            _NEAREST | {"groups": table.block(7.5e-4, 1e-4)},
            {"lr": 1e-3, "clip_norm": 20.0},
        ),
    ),
)

# Top-1 of ResNet-18 after 200, 400, 800 and 1200 epochs, then of ResNeXt-50.
_RESNET_TOP1 = {
    "identity": (76.42, 77.73, 78.04, 78.55, 79.37, 80.24, 81.09, 81.32),
    "mixup": (78.52, 79.34, 79.12, 79.24, 81.18, 82.54, 82.10, 81.77),
    "cutmix": (79.45, 79.58, 78.17, 78.29, 81.52, 78.52, 78.32, 77.17),
    "manifold_mixup": (79.18, 80.18, 80.35, 80.21, 81.59, 82.56, 82.88, 83.28),
    "smoothmix": (77.90, 78.77, 78.69, 78.38, 80.68, 79.56, 78.95, 77.88),
    "saliencymix": (79.75, 79.64, 79.12, 77.66, 80.72, 78.63, 78.77, 77.51),
    "attentivemix": (79.62, 80.14, 78.91, 78.41, 81.69, 81.53, 80.54, 79.60),
    "fmix": (78.91, 79.91, 79.69, 79.50, 79.87, 78.99, 79.02, 78.24),
    "gridmix": (78.23, 78.60, 78.72, 77.58, 81.11, 79.80, 78.90, 76.11),
    "puzzlemix": (79.96, 80.82, 81.13, 81.10, 81.69, 82.84, 82.85, 82.93),
    "comixup": (80.01, 80.87, 81.17, 81.18, 81.73, 82.88, 82.91, 82.97),
    "resizemix": (79.56, 79.19, 80.01, 79.23, 79.56, 79.78, 80.35, 79.73),
    "alignmix": (None, None, None, 81.71, None, None, None, None),
    "automix": (80.12, 81.78, 82.04, 81.95, 82.84, 83.32, 83.64, 83.80),
    "samix": (81.21, 81.97, 82.30, 82.41, 83.81, 84.27, 84.42, 84.31),
}
_WIDE_TOP1 = {
    "identity": (81.63,), "mixup": (82.82,), "cutmix": (84.45,),
    "automix": (85.18,), "samix": (85.50,),
}
# DeiT-S after 200 and 600 epochs, Swin-T, ConvNeXt-T.
_TRANSFORMER_TOP1 = {
    "identity": (65.81, 68.50, 78.41, 81.29, 78.70, 80.65),
    "mixup": (69.98, 76.35, 76.78, 83.67, 81.13, 83.08),
    "cutmix": (74.12, 79.54, 80.64, 83.38, 82.46, 83.20),
    "mixup_cutmix": (75.92, 79.38, 81.25, 84.82, 83.09, 84.12),
    "automix": (76.24, 80.91, 82.67, None, 83.30, 84.79),
    "samix": (77.94, 82.49, 82.62, None, 83.56, 84.98),
}
_COSTS = {
    ("deit_small", "identity"): "8.1 GB and 27 hours for 600 epochs",
    "deit_small": "8.2 GB and 27 hours for 600 epochs",
    ("deit_small", "automix"): "18.2 GB and 59 hours for 600 epochs",
    ("deit_small", "samix"): "21.3 GB and 58 hours for 600 epochs",
    "swin_tiny": "11.4 GB and 36 hours for 600 epochs",
    ("swin_tiny", "automix"): "29.2 GB and 75 hours for 600 epochs",
    ("swin_tiny", "samix"): "29.3 GB and 75 hours for 600 epochs",
    "convnext_tiny": "4.2 GB and 10 hours for 600 epochs",
    ("convnext_tiny", "automix"): "10.2 GB and 28 hours for 600 epochs",
    ("convnext_tiny", "samix"): "10.3 GB and 29 hours for 600 epochs",
}

SUITE = table.Suite("cifar100", DATA, (
    table.Table(RESNETS, (200, 400, 800, 1200), _RESNET_TOP1),
    table.Table({"resnet18": _MIX_BLOCK}, (200,), {"mix_block": ()}),
    table.Table({"wide_resnet28_8": _WIDE_RESNET}, (400,), _WIDE_TOP1),
    table.Table(
        {"deit_small": _DEIT, "swin_tiny": _SWIN, "convnext_tiny": _CONVNEXT},
        (200, 600), _TRANSFORMER_TOP1, rule="best", last=10, costs=_COSTS,
    ),
))


def get_config(arg: str) -> ml_collections.ConfigDict:
  """The configuration of words such as `resnet18,cutmix,dm`."""
  return build.get_config(SUITE, arg)

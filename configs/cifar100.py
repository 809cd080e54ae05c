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

AdAutoMix mixes three images, and learns to make it hard:

    dmjax train --config cifar100:resnet18,adautomix --workdir runs/g

MixupE and RegMixup, `configs/preact.py`:

    dmjax train --config cifar100:preact_resnet50,mixupe --workdir runs/f

A few labels, `configs/semi.py`:

    dmjax train --config cifar100:fixmatch,400,mixup,dm --workdir runs/e

ResNets and ConvNeXt see 32 pixels, DeiT and Swin crops resized to 224.
"""

import ml_collections

from dmjax.configs import build
from dmjax.configs import cifar100_vits
from dmjax.configs import preact
from dmjax.configs import sections
from dmjax.configs import semi
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
MIXES = {
    "mixup": 1.0, "cutmix": 0.2, "manifold_mixup": 2.0, "saliencymix": 0.2,
    "attentivemix": 2.0, "fmix": 0.2, "gridmix": 0.2, "puzzlemix": 1.0,
    "resizemix": 1.0, "alignmix": sections.ALIGNMIX, "mix_block": 2.0,
}
_PENALTY = {"cosine": "penalty"}  # AdAutoMix's code, by which it was measured.
_RESNET = table.Recipe(
    batch_size=100,
    optimizer=sections.sgd(0.1, 1e-4),
    loss=sections.CE,
    mixes=MIXES,
    learned=sections.learned(
        Changes(schedule={"end_lr": 0.05}), Changes(sections.bent(0.25))
    ) | {
        "adautomix": Changes(_PENALTY, schedule={"end_lr": 0.05}),
    },
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
    changes=dict.fromkeys(_CUTTING, {"optimizer.weight_decay": 5e-4}),
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

# Mixed at the input and after the first of its three stages.
_WIDE_RESNET = _RESNET._replace(
    optimizer=sections.sgd(0.03, 1e-3),
    mixes=MIXES | {
        "manifold_mixup": sections.one("manifold_mixup", 2.0, stages=(0, 1)),
    },
    learned=sections.learned(
        Changes(
            {"stage": "stage2", "groups": {"mix_block": {"momentum": 0.0}}},
            schedule={"end_lr": 1e-3},
        ),
        Changes(sections.bent(0.25)),
    ) | {
        "adautomix": Changes(
            {"stage": "stage2", **_PENALTY}, schedule={"end_lr": 1e-3}
        ),
    },
)
# What AutoMix has learned, with the DM of CutMix.
_MIX_BLOCK = _RESNET._replace(
    decoupled={"mix_block": Decoupled(2.0, 0.1, "less", 0.5)},
    decoupled_note="eta is that of CutMix",
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
    "adautomix": (81.55, 81.97, 82.32, None, 84.40, 84.05, 84.22, None),
}
_WIDE_TOP1 = {
    "identity": (81.63,), "mixup": (82.82,), "cutmix": (84.45,),
    "manifold_mixup": (83.24,), "smoothmix": (82.09,), "saliencymix": (84.35,),
    "attentivemix": (84.34,), "fmix": (84.21,), "gridmix": (84.24,),
    "puzzlemix": (85.02,), "comixup": (85.05,), "resizemix": (84.87,),
    "automix": (85.18,), "samix": (85.50,), "adautomix": (85.32,),
}

# With 400, 2500 and 10000 labels.
_LABELS = {
    "400": "4 per class", "2500": "25 per class", "10000": "100 per class",
}
_FEW_TOP1 = {
    "pseudo_label": (12.55, 42.26, 63.45),
    "mixmatch": (32.41, 60.24, 72.22),
    "remixmatch": (57.25, 73.97, 79.98),
    "fixmatch": (53.58, 71.97, 77.80),
    "flexmatch": (60.06, 73.51, 78.10),
    "ict": (),
}
_SMALLER = dict.fromkeys(
    ("supervised", "freematch", "softmatch"),
    "WRN-28-2 as in USB, not comparable with WRN-28-8 of TorchSSL",
)
_FEW_TOP1_OF_USB = {
    "supervised": (10.13, 38.75, 61.01),
    "freematch": (50.76, 67.21, 72.83),
    "softmatch": (50.36, 66.95, 72.74),
}

SUITE = table.Suite("cifar100", DATA, (
    table.Table(RESNETS, (200, 400, 800, 1200), _RESNET_TOP1),
    table.Table({"resnet18": _MIX_BLOCK}, (200,), {"mix_block": ()}),
    table.Table(
        {"wide_resnet28_8": _WIDE_RESNET}, (400,), _WIDE_TOP1,
        notes={"adautomix": "configured in OpenMixup with alpha 2, 2 or 3 images"},
    ),
    *cifar100_vits.TABLES,
    *preact.tables(10.0),
    *semi.tables(
        {"name": "wide_resnet28_8"}, _FEW_TOP1, _LABELS, weight_decay=1e-3
    ),
    *semi.tables(
        {"name": "wide_resnet28_2"}, _FEW_TOP1_OF_USB, _LABELS,
        source=semi.USB, weight_decay=1e-3, notes=_SMALLER,
    ),
))


def get_config(arg: str) -> ml_collections.ConfigDict:
  """The configuration of words such as `resnet18,cutmix,dm`."""
  return build.get_config(SUITE, arg)

"""Tiny-ImageNet: ResNets at 64 pixels for 400 epochs.

    dmjax train --config tiny_imagenet:resnet18,cutmix,dm --workdir runs/a
    dmjax train --config tiny_imagenet:resnext50_32x4d,automix --workdir runs/b

`dmjax recipes tiny_imagenet` lists all of them.
"""

import ml_collections

from dmjax.configs import build
from dmjax.configs import preact
from dmjax.configs import sections
from dmjax.configs import table
from dmjax.configs.table import Changes

DATA = {
    "name": "tiny_imagenet", "train": "train", "test": "validation",
    **sections.IMAGENET_PIXELS,
}

# In AutoMix the rate ends high: the teacher does the annealing.
_AUTOMIX = Changes(
    {"groups": sections.block(0.1, 1e-3)}, schedule={"end_lr": 0.05}
)
_RESNET = table.Recipe(
    batch_size=100,
    optimizer=sections.sgd(0.2, 1e-4),
    loss=sections.CE,
    mixes={
        "mixup": 1.0, "cutmix": 1.0, "manifold_mixup": 0.2, "saliencymix": 1.0,
        "attentivemix": 2.0, "fmix": 1.0, "gridmix": 0.2, "puzzlemix": 1.0,
        "resizemix": 1.0, "alignmix": sections.ALIGNMIX,
    },
    data={"crop_padding": 0, "crop_scale": (0.08, 1.0)},
    learned=sections.learned(_AUTOMIX, Changes(sections.bent(0.25))),
)
# The mask of SAMix bends another way with ResNet-18.
_RESNET18 = _RESNET._replace(
    learned=sections.learned(_AUTOMIX, Changes(sections.bent(-1.0)))
)

# Top-1 of ResNet-18 and ResNeXt-50.
_TOP1 = {
    "identity": (61.68, 65.04),
    "mixup": (63.86, 66.36),
    "cutmix": (65.53, 66.47),
    "manifold_mixup": (64.15, 67.30),
    "smoothmix": (66.65, 69.65),
    "saliencymix": (64.60, 66.55),
    "attentivemix": (64.85, 67.42),
    "fmix": (63.47, 65.08),
    "gridmix": (65.14, 66.53),
    "puzzlemix": (65.81, 67.83),
    "comixup": (65.92, 68.02),
    "resizemix": (63.74, 65.87),
    "alignmix": (66.87, None),
    "automix": (67.33, 70.72),
    "samix": (68.89, 72.18),
}

SUITE = table.Suite("tiny_imagenet", DATA, (
    table.Table(
        {"resnet18": _RESNET18, "resnext50_32x4d": _RESNET}, (400,), _TOP1
    ),
    *preact.tables(10.0, stem_stride=2),
))


def get_config(arg: str) -> ml_collections.ConfigDict:
  """The configuration of words such as `resnet18,cutmix,dm`."""
  return build.get_config(SUITE, arg)

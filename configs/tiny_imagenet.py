"""Tiny-ImageNet: ResNets at 64 pixels for 400 epochs.

    dmjax train --config tiny_imagenet:resnet18,cutmix,dm --workdir runs/a
    dmjax train --config tiny_imagenet:resnext50_32x4d,automix --workdir runs/b
"""

import ml_collections

from dmjax.configs import build
from dmjax.configs import table
from dmjax.configs.table import Changes

DATA = {
    "name": "tiny_imagenet", "train": "train", "test": "validation",
    **table.IMAGENET_PIXELS,
}

# In AutoMix the rate ends high: the teacher does the annealing.
_AUTOMIX = Changes(
    {"groups": table.block(0.1, 1e-3)}, schedule={"end_lr": 0.05}
)
_RESNET = table.Recipe(
    batch_size=100,
    optimizer=table.sgd(0.2, 1e-4),
    loss=table.CE,
    alphas={"mixup": 1.0, "cutmix": 1.0},
    data={"crop_padding": 0, "crop_scale": (0.08, 1.0)},
    learned=table.learned(_AUTOMIX, Changes(table.bent(0.25))),
)
# The mask of SAMix bends another way with ResNet-18.
_RESNET18 = _RESNET._replace(
    learned=table.learned(_AUTOMIX, Changes(table.bent(-1.0)))
)

# Top-1 of ResNet-18 and ResNeXt-50.
_TOP1 = {
    "identity": (61.68, 65.04),
    "mixup": (63.86, 66.36),
    "cutmix": (65.53, 66.47),
    "automix": (67.33, 70.72),
    "samix": (68.89, 72.18),
}

SUITE = table.Suite("tiny_imagenet", DATA, (
    table.Table(
        {"resnet18": _RESNET18, "resnext50_32x4d": _RESNET}, (400,), _TOP1
    ),
))


def get_config(arg: str) -> ml_collections.ConfigDict:
  """The configuration of words such as `resnet18,cutmix,dm`."""
  return build.get_config(SUITE, arg)

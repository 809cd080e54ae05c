"""CIFAR-10: ResNets, trained as on CIFAR-100, and semi-supervised training.

    dmjax train --config cifar10:resnet18,cutmix,dm --workdir runs/a
    dmjax train --config cifar10:resnext50_32x4d,samix --workdir runs/b
    dmjax train --config cifar10:fixmatch,250,cutmix,dm --workdir runs/c

The crops of ResNets are padded with zeros, those of `configs/semi.py` reflected.
"""

import ml_collections

from dmjax.configs import build
from dmjax.configs import cifar100
from dmjax.configs import preact
from dmjax.configs import semi
from dmjax.configs import table

DATA = {
    "name": "cifar10", "train": "train", "test": "test",
    "crop_mode": "constant", **cifar100.PIXELS,
}

# No DM is published.
_RESNETS = {
    name: recipe._replace(decoupled={})
    for name, recipe in cifar100.RESNETS.items()
}

# Top-1 of ResNet-18 after 200, 400, 800 and 1200 epochs, then of ResNeXt-50.
_TOP1 = {
    "identity": (94.87, 95.10, 95.50, 95.59, 95.92, 95.81, 96.23, 96.26),
    "mixup": (95.70, 96.55, 96.62, 96.84, 96.88, 97.19, 97.30, 97.33),
    "cutmix": (96.11, 96.13, 96.68, 96.56, 96.78, 96.54, 96.60, 96.35),
    "manifold_mixup": (96.04, 96.57, 96.71, 97.02, 96.97, 97.39, 97.33, 97.36),
    "smoothmix": (95.29, 95.88, 96.17, 96.17, 95.87, 96.37, 96.49, 96.77),
    "saliencymix": (96.05, 96.42, 96.20, 96.18, 96.65, 96.89, 96.70, 96.60),
    "attentivemix": (96.21, 96.45, 96.63, 96.49, 96.84, 96.91, 96.87, 96.62),
    "fmix": (96.17, 96.53, 96.18, 96.01, 96.72, 96.76, 96.76, 96.10),
    "gridmix": (95.89, 96.33, 96.56, 96.58, 97.18, 97.30, 96.40, 95.79),
    "puzzlemix": (96.42, 96.87, 97.10, 97.13, 97.05, 97.24, 97.37, 97.34),
    "resizemix": (96.16, 96.91, 96.76, 97.04, 97.02, 97.38, 97.21, 97.36),
    "alignmix": (None, None, None, 97.05, None, None, None, None),
    "automix": (96.59, 97.08, 97.34, 97.30, 97.19, 97.42, 97.65, 97.51),
    "samix": (96.67, 97.16, 97.50, 97.41, 97.23, 97.51, 97.93, 97.74),
}

# With 40, 250 and 4000 labels.
_LABELS = {
    "40": "4 per class", "250": "25 per class", "4000": "400 per class",
}
_FEW_TOP1 = {
    "pseudo_label": (25.39, 53.51, 84.92),
    "mixmatch": (63.81, 86.37, 93.34),
    "remixmatch": (90.12, 93.70, 95.16),
    "fixmatch": (92.53, 95.14, 95.79),
    "flexmatch": (95.03, 95.02, 95.81),
    "ict": (),
}
_FEW_TOP1_OF_USB = {
    "supervised": (22.42, 44.04, 84.49),
    "freematch": (95.03, 95.15, 95.86),
    "softmatch": (94.94, 95.16, 95.73),
}
_WIDE = {"name": "wide_resnet28_2"}

SUITE = table.Suite("cifar10", DATA, (
    table.Table(_RESNETS, (200, 400, 800, 1200), _TOP1),
    *preact.tables(20.0, rho=0.05),
    *semi.tables(_WIDE, _FEW_TOP1, _LABELS),
    *semi.tables(_WIDE, _FEW_TOP1_OF_USB, _LABELS, source=semi.USB),
))


def get_config(arg: str) -> ml_collections.ConfigDict:
  """The configuration of words such as `resnet18,cutmix,dm`."""
  return build.get_config(SUITE, arg)

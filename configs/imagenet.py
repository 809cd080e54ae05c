"""ImageNet: ResNets as PyTorch and RSB train them, DeiT, Swin and ConvNeXt.

    dmjax train --config imagenet:resnet50,100ep,cutmix,dm --workdir runs/a
    dmjax train --config imagenet:resnet50,rsb_a3,mixup_cutmix,dm \\
        --workdir runs/b
    dmjax train --config imagenet:deit_small,mixup_cutmix,dm --workdir runs/c

`100ep` and `300ep` are the recipe of PyTorch, `rsb_a3` and `rsb_a2` those of
timm with binary cross-entropy (arXiv 2110.00476) for 100 and 300 epochs; the
word may be left out where a network has one recipe. Transformers and ConvNeXt
are trained as DeiT is (arXiv 2012.12877).

Published ResNets normalise the 64 images of each of four GPUs by themselves:
`--config.sync_batch_norm=False` on four devices. By default all images of a
batch are normalised together, so that no result depends on how many devices
there are. RSB is published that way.
"""

import ml_collections

from dmjax.configs import build
from dmjax.configs import imagenet_rsb
from dmjax.configs import imagenet_vits
from dmjax.configs import sections
from dmjax.configs import table
from dmjax.configs.table import Changes
from dmjax.configs.table import Decoupled

DATA = {
    "name": "imagenet2012", "train": "train", "test": "validation",
    **sections.IMAGENET_PIXELS,
}

# The recipe of PyTorch. The only DM that is published is that of MixUp.
_DECOUPLED = {"mixup": Decoupled(1.0, 0.1, "both", 1.0)}
_AUTOMIX = Changes(sections.large("stage3", sections.block(0.1, 1e-3)))
_SAMIX = Changes(sections.bent(-1.0, dropout=0.1))
_RESNET = table.Recipe(
    batch_size=256,
    optimizer=sections.sgd(0.1, 1e-4),
    loss=sections.CE,
    mixes={
        "mixup": 0.2, "cutmix": 1.0, "manifold_mixup": 0.2, "saliencymix": 1.0,
        "attentivemix": 2.0, "fmix": 1.0, "gridmix": 0.2,
        "puzzlemix": sections.PUZZLEMIX, "resizemix": 1.0,
        "alignmix": sections.ALIGNMIX,
        "mixup_cutmix": sections.mixup_or_cutmix(0.8, 1.0),
    },
    data=sections.streaming(224, test_resize=256),
    model=sections.STEM,
    learned=sections.learned(_AUTOMIX, _SAMIX),
)
_CUTTING = ("cutmix", "saliencymix", "fmix", "resizemix")
_RESNET18 = _RESNET._replace(
    mixes=_RESNET.mixes | dict.fromkeys(_CUTTING, 0.2), decoupled=_DECOUPLED
)
_RESNET50 = _RESNET._replace(decoupled=_DECOUPLED)
# In 100 epochs the Mix Block of ResNet-50 has no momentum.
_STILL = Changes({"groups": sections.block(0.1, 1e-3, momentum=0.0)})
_RESNET50_100EP = _RESNET50._replace(
    learned=sections.learned(_AUTOMIX.then(_STILL), _SAMIX)
)

# Top-1 of ResNet-18, 34, 50, 101 and ResNeXt-101.
_100EP_TOP1 = {
    "identity": (70.04, 73.85, 76.83, 78.18, 78.71),
    "mixup": (69.98, 73.97, 77.12, 78.97, 79.98),
    "cutmix": (68.95, 73.58, 77.17, 78.96, 80.42),
    "manifold_mixup": (69.98, 73.98, 77.01, 79.02, 79.93),
    "saliencymix": (69.16, 73.56, 77.14, 79.32, 80.27),
    "fmix": (69.96, 74.08, 77.19, 79.09, 80.06),
    "puzzlemix": (70.12, 74.26, 77.54, 79.36, 80.53),
    "resizemix": (69.50, 73.88, 77.42, 79.49, 80.55),
    "automix": (70.50, 74.52, 77.91, 79.87, 80.89),
    "samix": (70.83, 74.95, 78.14, 80.05, 80.98),
}
# ResNet-18 and 50.
_100EP_SOME_TOP1 = {
    "mixup_cutmix": (None, 77.27),
    "attentivemix": (68.57, 77.28),
    "gridmix": (None, 77.04),
    "comixup": (None, 77.60),
    "alignmix": (None, 78.00),
}
# ResNet-18, 34, 50 and 101.
_300EP_TOP1 = {
    "identity": (71.83, 75.29, 77.35, 78.91),
    "mixup": (71.72, 75.73, 78.44, 80.60),
    "cutmix": (71.01, 75.16, 78.69, 80.59),
    "manifold_mixup": (71.73, 75.44, 78.21, 80.64),
    "saliencymix": (70.97, 75.01, 78.46, 80.45),
    "fmix": (70.30, 75.12, 78.51, 80.20),
    "puzzlemix": (71.64, 75.84, 78.86, 80.67),
    "resizemix": (71.32, 75.64, 78.91, 80.52),
    "automix": (72.05, 76.10, 79.25, 80.98),
    "samix": (72.27, 76.28, 79.39, 81.10),
}
_300EP_SOME_TOP1 = {"gridmix": (78.50,), "alignmix": (79.32,)}

_RESNETS_100EP = {
    "resnet18": _RESNET18, "resnet34": _RESNET, "resnet50": _RESNET50_100EP,
    "resnet101": _RESNET, "resnext101_32x4d": _RESNET,
}
_RESNETS_300EP = {
    "resnet18": _RESNET18, "resnet34": _RESNET, "resnet50": _RESNET50,
    "resnet101": _RESNET,
}
_NORM = (
    "published with batch statistics of 64 images a GPU, see"
    " --config.sync_batch_norm"
)


def _100ep(names, top1):
  recipes = {name: _RESNETS_100EP[name] for name in names}
  notes = dict.fromkeys(recipes, _NORM)
  return table.Table(recipes, (100,), top1, "100ep", last=5, notes=notes)


def _300ep(names, top1):
  recipes = {name: _RESNETS_300EP[name] for name in names}
  notes = dict.fromkeys(recipes, _NORM)
  return table.Table(recipes, (300,), top1, "300ep", notes=notes)


SUITE = table.Suite("imagenet", DATA, (
    _100ep(_RESNETS_100EP, _100EP_TOP1),
    _100ep(("resnet18", "resnet50"), _100EP_SOME_TOP1),
    _300ep(_RESNETS_300EP, _300EP_TOP1),
    _300ep(("resnet50",), _300EP_SOME_TOP1),
    *imagenet_rsb.TABLES,
    *imagenet_vits.TABLES,
))


def get_config(arg: str) -> ml_collections.ConfigDict:
  """The configuration of words such as `resnet50,rsb_a3,mixup_cutmix,dm`."""
  return build.get_config(SUITE, arg)

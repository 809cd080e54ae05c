"""FGVC-Aircraft: fine-tuning ResNets of ImageNet on 100 kinds of aircraft.

    dmjax train --config aircraft:resnet18,cutmix,dm --workdir runs/a
    dmjax train --config aircraft:resnext50_32x4d,samix --workdir runs/b

Training starts from torchvision's ImageNet parameters in
`pretrained/<network>.safetensors`, or `--config.pretrained=FILE`.
"""

import ml_collections

from dmjax.configs import build
from dmjax.configs import cub200
from dmjax.configs import sections
from dmjax.configs import semi
from dmjax.configs import table
from dmjax.configs.table import Changes

DATA = {
    "name": "fgvc_aircraft", "train": "train", "test": "test",
    **sections.IMAGENET_PIXELS,
}

# As on CUB-200, but for the teacher of SAMix, which follows sooner.
_FINE = cub200.FINE._replace(
    learned=sections.learned(
        cub200.FINE.learned["automix"],
        Changes(cub200.SAMIX | {"end_momentum": 0.99996}),
    )
)

# Top-1 of ResNet-18 and ResNeXt-50 after 200 epochs.
_TOP1 = {
    "identity": (80.23, 85.10),
    "mixup": (79.52, 85.18),
    "cutmix": (78.84, 84.55),
    "manifold_mixup": (80.68, 86.60),
    "saliencymix": (80.02, 84.31),
    "fmix": (79.36, 86.23),
    "puzzlemix": (80.76, 86.23),
    "resizemix": (78.10, 84.08),
    "automix": (81.37, 86.72),
    "samix": (82.15, 86.80),
}

SUITE = table.Suite("aircraft", DATA, (
    table.Table({"resnet18": _FINE, "resnext50_32x4d": _FINE}, (200,), _TOP1),
    *semi.fine_grained((66.16, 79.63, 84.58)),
))


def get_config(arg: str) -> ml_collections.ConfigDict:
  """The configuration of words such as `resnet18,cutmix,dm`."""
  return build.get_config(SUITE, arg)

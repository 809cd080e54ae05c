"""Stanford Cars: fine-tuning ResNets of ImageNet on 196 kinds of cars.

    dmjax train --config cars:resnet18,cutmix,dm --workdir runs/a
    dmjax train --config cars:resnet18,automix --workdir runs/b

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
    "name": "cars196", "train": "train", "test": "test",
    **sections.IMAGENET_PIXELS,
}

# As on CUB-200, but for the Mix Block, which learns faster.
_FINE = cub200.FINE._replace(
    learned=sections.learned(
        Changes(sections.large("stage3", sections.block(0.1, 1e-3))),
        Changes(cub200.SAMIX),
    )
)

# Top-1 of ResNet-18 and ResNeXt-50.
_TOP1 = {
    "identity": (86.32, 90.15),
    "mixup": (86.27, 90.81),
    "cutmix": (87.48, 91.22),
    "manifold_mixup": (85.88, 90.20),
    "saliencymix": (86.48, 90.60),
    "fmix": (87.55, 90.90),
    "puzzlemix": (87.78, 91.29),
    "resizemix": (88.17, 91.36),
    "automix": (88.89, 91.38),
    "samix": (89.14, 90.46),
}
_NOTES = {"samix": table.EXTRAPOLATED}

SUITE = table.Suite("cars", DATA, (
    table.Table(
        {"resnet18": _FINE, "resnext50_32x4d": _FINE}, (200,), _TOP1,
        source=table.ADAUTOMIX, notes=_NOTES,
    ),
    *semi.fine_grained((75.35, 85.88, 89.76)),
))


def get_config(arg: str) -> ml_collections.ConfigDict:
  """The configuration of words such as `resnet18,cutmix,dm`."""
  return build.get_config(SUITE, arg)

"""Stanford Cars: fine-tuning ResNets of ImageNet on 196 kinds of cars.

    dmjax train --config cars:resnet18,cutmix,dm --workdir runs/a
    dmjax train --config cars:resnet18,automix --workdir runs/b

Training starts from torchvision's ImageNet parameters in
`pretrained/<network>.safetensors`, or `--config.pretrained=FILE`. AutoMix and
SAMix train ResNet-18 for 60 epochs; all else is trained for 200.
"""

import ml_collections

from dmjax.configs import build
from dmjax.configs import cub200
from dmjax.configs import table
from dmjax.configs.table import Changes

DATA = {
    "name": "cars196", "train": "train", "test": "test",
    **table.IMAGENET_PIXELS,
}

# As on CUB-200, but for the Mix Block, which learns faster.
_FINE = cub200.FINE._replace(
    learned=table.learned(
        Changes(table.large("stage3", table.block(0.1, 1e-3))),
        Changes(cub200.SAMIX),
    )
)

# Top-1 of ResNet-18 and ResNeXt-50.
_TOP1 = {
    "identity": (86.32, 90.15),
    "mixup": (86.27, 90.81),
    "cutmix": (87.48, 91.22),
}
_RESNET18_TOP1 = {"automix": (88.89,), "samix": (89.14,)}
_RESNEXT50_TOP1 = {"automix": (91.38,), "samix": (90.46,)}


def _table(networks, epochs, top1):
  recipes = dict.fromkeys(networks, _FINE)
  return table.Table(recipes, epochs, top1, source=table.ADAUTOMIX)


SUITE = table.Suite("cars", DATA, (
    _table(("resnet18", "resnext50_32x4d"), (200,), _TOP1),
    _table(("resnet18",), (60,), _RESNET18_TOP1),
    _table(("resnext50_32x4d",), (200,), _RESNEXT50_TOP1),
))


def get_config(arg: str) -> ml_collections.ConfigDict:
  """The configuration of words such as `resnet18,cutmix,dm`."""
  return build.get_config(SUITE, arg)

"""CUB-200: fine-tuning ResNets of ImageNet on 200 kinds of birds.

    dmjax train --config cub200:resnet18,cutmix,dm --workdir runs/a
    dmjax train --config cub200:resnet50,samix --workdir runs/b

Training starts from torchvision's ImageNet parameters in
`pretrained/<network>.safetensors`, or `--config.pretrained=FILE`.
"""

import ml_collections

from dmjax.configs import build
from dmjax.configs import sections
from dmjax.configs import semi
from dmjax.configs import table
from dmjax.configs.table import Changes

DATA = {
    "name": "caltech_birds2011", "train": "train", "test": "test",
    **sections.IMAGENET_PIXELS,
}

SAMIX = sections.bent(1.0, dropout=0.1)
FINE = table.Recipe(
    batch_size=16,
    optimizer=sections.sgd(1e-3, 5e-4),
    loss=sections.CE,
    mixes={
        "mixup": 0.2, "cutmix": 1.0, "manifold_mixup": 0.5, "saliencymix": 0.2,
        "fmix": 0.2, "puzzlemix": sections.PUZZLEMIX, "resizemix": 1.0,
    },
    data=sections.streaming(224, (0.5, 1.0), test_resize=256),
    model=sections.STEM,
    pretrained=True,
    learned=sections.learned(
        Changes(sections.large("stage3", sections.block(0.01, 5e-4))),
        Changes(SAMIX),
    ),
)

# Top-1 of ResNet-18 and ResNeXt-50, and of ResNet-50, after 200 epochs.
_TOP1 = {
    "identity": (77.68, 83.01),
    "mixup": (78.39, 84.58),
    "cutmix": (78.40, 85.68),
    "manifold_mixup": (79.76, 86.38),
    "saliencymix": (77.95, 83.29),
    "fmix": (77.28, 84.06),
    "puzzlemix": (78.63, 84.51),
    "resizemix": (78.50, 84.77),
    "automix": (79.87, 86.56),
    "samix": (81.11, 86.83),
}
_RESNET50_TOP1 = {
    "identity": (82.38,), "mixup": (82.98,), "cutmix": (83.17,),
    "manifold_mixup": (83.76,), "puzzlemix": (83.83,),
    "automix": (83.88,), "samix": (84.10,),
}

SUITE = table.Suite("cub200", DATA, (
    table.Table({"resnet18": FINE, "resnext50_32x4d": FINE}, (200,), _TOP1),
    table.Table(
        {"resnet50": FINE}, (200,), _RESNET50_TOP1, source=table.ADAUTOMIX
    ),
    *semi.fine_grained((64.36, 74.51, 79.44)),
))


def get_config(arg: str) -> ml_collections.ConfigDict:
  """The configuration of words such as `resnet18,cutmix,dm`."""
  return build.get_config(SUITE, arg)

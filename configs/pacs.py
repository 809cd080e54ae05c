"""PACS, or any folder of photographs `<domain>/<class>/*.jpg` as it has it.

    dmjax train --config pacs:resnet18,fixed --config.data.name=./pacs \\
        --config.data.leave_out=sketch --workdir runs/sketch
    dmjax train --config pacs:resnet18,mixup,dm --workdir runs/dm

PACS has the domains `art_painting`, `cartoon`, `photo` and `sketch` and is
downloaded by hand. The settings are the defaults of the authors' code, which
are of no photographs: Adam, L2, 96 images a step, 150 epochs, a constant rate.
It draws 32 images of every domain for a step, and an epoch is that of the
smallest; here every image is drawn as often. Parameters of ImageNet are a
better start:

    dmjax train --config pacs:resnet18,fixed --workdir runs/pretrained \\
        --config.pretrained=pretrained/resnet18.safetensors \\
        --config.optimizer.lr=1e-4
"""

import ml_collections

from dmjax.configs import build
from dmjax.configs import domains
from dmjax.configs import plain
from dmjax.configs import sections
from dmjax.configs import table
from dmjax.configs import words

_RECIPE = table.Recipe(
    batch_size=96,
    optimizer=plain.adam(1e-2, 5e-4) | {"b1": 0.5, "b2": 0.9},
    loss=sections.CE,
    mixes={"mixup": 0.2},
    schedule={"per_epoch": False, "name": "constant"},
    model=sections.STEM,
    methods=domains.METHODS,
)
_NOTE = "no number of PACS was at hand, and none was measured here"
SUITE = table.Suite(
    "pacs",
    {
        "name": "./pacs", "train": "all", "test": "all", "leave_out": "sketch",
        **sections.streaming(224), **sections.IMAGENET_PIXELS,
        "test_image_size": 224, "test_resize": 256, "channels": 3,
    },
    (table.Table(
        {"resnet18": _RECIPE}, (150,), dict.fromkeys(("identity", "mixup"), ()),
        source="", plain=domains.PLAIN,
        notes=domains.NOTES | {"resnet18": _NOTE},
    ),),
)


def get_config(arg: str) -> ml_collections.ConfigDict:
  """The configuration of words such as `resnet18,fixed`."""
  choice = words.parse(arg, SUITE)
  config = build.make(SUITE, choice)
  config.evaluate.mix = {"name": "mixup"}
  if not choice.smoke:
    return config
  config = build.smoke(config)
  config.data.leave_out = "a"  # Of the domains of what is drawn.
  return config

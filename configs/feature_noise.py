"""Feature-noise data: does mixup learn what is rare (arXiv 2303.08433)?

    dmjax train --config feature_noise:patch_mlp --workdir runs/erm
    dmjax train --config feature_noise:patch_mlp,mixup --workdir runs/mixup
    dmjax evaluate --workdir runs/mixup --config.data.test=test_rare

400 rows of two classes, drawn from a seed, see `dmjax/data/feature_noise.py`; a
network of quadratic filters; every step sees all rows. Sizes and settings are
ours. Labels of other shares than the inputs, and mixup that stops early:

    dmjax train --config feature_noise:patch_mlp,mixup --workdir runs/power \\
        --config.method.label_power=2.0
    dmjax train --config feature_noise:patch_mlp,mixup --workdir runs/early \\
        --config.method.until='50 %'
"""

import ml_collections

from dmjax.configs import plain
from dmjax.configs import sections
from dmjax.configs import table

_RECIPE = table.Recipe(
    batch_size=400, optimizer=sections.sgd(0.5, 0.0), loss=sections.CE,
    mixes={"mixup": 1.0}, schedule={"name": "constant"},
)
SUITE = table.Suite(
    "feature_noise",
    {"name": "feature_noise", "train": "train", "test": "test", **plain.DATA},
    (table.Table(
        {"patch_mlp": _RECIPE}, (1500,), {"identity": (), "mixup": ()},
        source="",
    ),),
)


def get_config(arg: str) -> ml_collections.ConfigDict:
  """The configuration of words such as `patch_mlp,mixup`."""
  config = plain.get_config(SUITE, arg, mock="mock/table")
  if config.data.name == "mock/table":
    config.model = {**config.model, "patches": 2}  # Of six columns.
    return config
  config.evaluate.every = "100 epochs"
  return config

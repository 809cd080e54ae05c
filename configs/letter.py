"""Letter recognition (UCI): 16 columns, 26 classes, 16,000 rows to train on.

    dmjax train --config letter:mlp,mixup,dm --workdir runs/letter
    dmjax train --config letter:mlp,mixupe --workdir runs/letter_mixupe

See `configs/tables.py`.
"""

import ml_collections

from dmjax.configs import tables

SUITE = tables.suite("letter", width=256, batch_size=100, epochs=100)


def get_config(arg: str) -> ml_collections.ConfigDict:
  """The configuration of words such as `mlp,mixup,dm`."""
  return tables.get_config(SUITE, arg)

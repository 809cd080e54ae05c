"""Spambase (UCI): 57 skewed columns, of which the logarithm is taken.

    dmjax train --config spambase:mlp,mixup,dm --workdir runs/spambase
    dmjax train --config spambase:mlp,mixupe --workdir runs/spambase_mixupe

See `configs/tables.py`.
"""

import ml_collections

from dmjax.configs import tables

SUITE = tables.suite(
    "spambase", width=128, batch_size=50, epochs=50, table={"log1p": True}
)


def get_config(arg: str) -> ml_collections.ConfigDict:
  """The configuration of words such as `mlp,mixup,dm`."""
  return tables.get_config(SUITE, arg)

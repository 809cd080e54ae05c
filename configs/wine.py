"""Wine (UCI), embedded in scikit-learn: 13 columns, 3 classes, 178 rows.

    dmjax train --config wine:mlp,mixup,dm --workdir runs/wine
    dmjax train --config wine:mlp,mixupe --workdir runs/wine_mixupe

See `configs/tables.py`.
"""

import ml_collections

from dmjax.configs import tables

SUITE = tables.suite("wine", width=128, batch_size=16, epochs=100)


def get_config(arg: str) -> ml_collections.ConfigDict:
  """The configuration of words such as `mlp,mixup,dm`."""
  return tables.get_config(SUITE, arg)

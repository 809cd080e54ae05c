"""Abalone (UCI): 8 columns, one of them categorical; 3 classes of age.

    dmjax train --config abalone:mlp,mixup,dm --workdir runs/abalone
    dmjax train --config abalone:mlp,mixupe --workdir runs/abalone_mixupe

See `configs/tables.py`.
"""

import ml_collections

from dmjax.configs import tables

SUITE = tables.suite("abalone", width=128, batch_size=50, epochs=50)


def get_config(arg: str) -> ml_collections.ConfigDict:
  """The configuration of words such as `mlp,mixup,dm`."""
  return tables.get_config(SUITE, arg)

"""Breast cancer (UCI), embedded in scikit-learn: 30 columns, 569 rows.

    dmjax train --config breast_cancer:mlp,mixup,dm --workdir runs/breast_cancer
    dmjax train --config breast_cancer:mlp,mixupe --workdir runs/cancer_mixupe

See `configs/tables.py`.
"""

import ml_collections

from dmjax.configs import tables

SUITE = tables.suite("breast_cancer", width=128, batch_size=16, epochs=50)


def get_config(arg: str) -> ml_collections.ConfigDict:
  """The configuration of words such as `mlp,mixup,dm`."""
  return tables.get_config(SUITE, arg)

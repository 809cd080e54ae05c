"""CiteSeer: 3,327 papers in 6 classes, bags of 3,703 words.

    dmjax train --config citeseer:gcn --workdir runs/citeseer
    dmjax train --config citeseer:gcn,manifold_mixup,dm --workdir runs/citeseer_dm
    dmjax train --config citeseer:gcn,mixupe --workdir runs/citeseer_mixupe

See `configs/planetoid.py`.
"""

import ml_collections

from dmjax.configs import planetoid

SUITE = planetoid.suite("citeseer", nodes=120)


def get_config(arg: str) -> ml_collections.ConfigDict:
  """The configuration of words such as `gcn,manifold_mixup,dm`."""
  return planetoid.get_config(SUITE, arg)

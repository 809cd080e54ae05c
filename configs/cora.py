"""Cora: 2,708 papers in 7 classes, 5,278 citations, bags of 1,433 words.

    dmjax train --config cora:gcn --workdir runs/cora
    dmjax train --config cora:gcn,manifold_mixup,dm --workdir runs/cora_dm
    dmjax train --config cora:gcn,mixupe --workdir runs/cora_mixupe

See `configs/planetoid.py`.
"""

import ml_collections

from dmjax.configs import planetoid

SUITE = planetoid.suite("cora", nodes=140)


def get_config(arg: str) -> ml_collections.ConfigDict:
  """The configuration of words such as `gcn,manifold_mixup,dm`."""
  return planetoid.get_config(SUITE, arg)

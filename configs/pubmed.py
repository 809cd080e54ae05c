"""PubMed: 19,717 papers in 3 classes, 500 words with tf-idf weights.

    dmjax train --config pubmed:gcn --workdir runs/pubmed
    dmjax train --config pubmed:gcn,manifold_mixup,dm --workdir runs/pubmed_dm
    dmjax train --config pubmed:gcn,mixupe --workdir runs/pubmed_mixupe

See `configs/planetoid.py`.
"""

import ml_collections

from dmjax.configs import planetoid

SUITE = planetoid.suite("pubmed", nodes=60)


def get_config(arg: str) -> ml_collections.ConfigDict:
  """The configuration of words such as `gcn,manifold_mixup,dm`."""
  return planetoid.get_config(SUITE, arg)

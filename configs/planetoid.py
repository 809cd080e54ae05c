"""Planetoid graphs: a GCN, and mixup of hidden nodes.

The files of the sets share what is here. A step is an epoch: all training nodes
at once. Their hidden rows are mixed after the first layer, then propagated.
"""

import ml_collections

from dmjax.configs import plain
from dmjax.configs import sections
from dmjax.configs import table

# As published, the decay is that of the first layer alone.
_METHOD = {
    "name": "supervised", "ema_decay": 0.0, "saliency": "input_gradient",
    "groups": {"head": {"weight_decay": 0.0}},
}


def suite(name: str, *, nodes: int) -> table.Suite:
  """The recipes of a graph, with its public split: GCN as published.

  Args:
    name: Of the graph.
    nodes: How many are trained on, 20 of each class.

  Returns:
    The recipes. Nothing is published of mixers.
  """
  recipe = table.Recipe(
      batch_size=nodes,
      optimizer=plain.adam(0.01, 5e-4),
      loss=sections.CE,
      mixes={
          "manifold_mixup": sections.one("manifold_mixup", 1.0, stages=(1,)),
      },
      schedule={"name": "constant"},
      model={"widths": (16,), "dropout": 0.5},
      method=_METHOD,
      methods={"mixupe": {"method.eta": 0.1, "method.tau": 1.0}},
  )
  top1 = {"identity": (), "manifold_mixup": ()}
  data = {"name": name, "train": "train", "test": "test", **plain.DATA}
  return table.Suite(name, data, (
      table.Table({"gcn": recipe}, (200,), top1, source="", notes=plain.NOTES),
  ))


def get_config(suite_: table.Suite, arg: str) -> ml_collections.ConfigDict:
  """The configuration of words such as `gcn,manifold_mixup,dm`."""
  config = plain.get_config(
      suite_, arg, mock="mock/graph", test_mix="identity"
  )
  if not arg.endswith("smoke"):
    config.evaluate.update(every="20 epochs", batch_size=1000)
    config.checkpoint.every = config.log.every = "20 epochs"
  return config

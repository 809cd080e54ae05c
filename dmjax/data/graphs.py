"""Graphs: the nodes of one graph are the examples.

A dataset holds one example, the whole graph: `features` of the nodes, `edges`,
each undirected one once, `label`, -1 for none, and a `<split>_mask` for every
split. A batch is a few of its nodes, and the graph, which lies on the devices
once for all splits, goes with every batch as it is.
"""

from collections.abc import Callable, Mapping
import functools
import pathlib
from typing import Any

import jax
import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core import read_only_builder

from dmjax import names
from dmjax import parallel
from dmjax.data import base
from dmjax.data import options
from dmjax.models import gcn

KIND = "graph"

_MASK = "_mask"


def recognises(features: Mapping[str, Any], key: Any) -> bool:
  """Whether a dataset holds a graph with a split of its nodes.

  Args:
    features: Of the dataset.
    key: Of the input, which graphs have no name for.

  Returns:
    Whether it does.
  """
  del key
  return "edges" in features and f"train{_MASK}" in features


def open_dataset(
    builder: tfds.core.DatasetBuilder, name: str, split: str, data: Any
) -> base.Source:
  """The nodes of a split, as their numbers; `finish` makes them `gcn.Nodes`.

  Args:
    builder: Of the dataset.
    name: Of it, for errors.
    split: A mask of the dataset without its ending, as `train`.
    data: The `data` section.

  Returns:
    The source. Classes have no names but their numbers.

  Raises:
    ValueError: For a split that the graph has no mask for.
  """
  del data
  folder = str(builder.data_dir)
  placed = functools.partial(_placed, folder)
  return source_of(_read(folder), placed, name, split)


def source_of(
    graph: Mapping[str, Any], placed: Callable[[], Any], name: str, split: str
) -> base.Source:
  """A split of a graph.

  Args:
    graph: Its arrays, as of the datasets of `planetoid`.
    placed: `() -> place(graph)`.
    name: Of the graph.
    split: Of the `*_mask` of the graph.

  Returns:
    The source.

  Raises:
    ValueError: For a split without a mask.
  """
  nodes = _nodes(graph, name, split)
  labels = graph["label"][nodes]
  return base.Source(
      lambda index: {"x": nodes[index], "label": int(labels[index])},
      len(nodes),
      class_names=tuple(map(str, range(graph["label"].max() + 1))),
      kind=KIND,
      present=tuple(map(str, np.unique(labels))),
      label=lambda index: int(labels[index]),
      finish=_finish,
      shared=placed,
      mean=(),
      std=(),
  )


@functools.lru_cache(maxsize=1)
def _read(folder):
  """The graph as it is on disk, once for all splits."""
  builder = read_only_builder.builder_from_directory(folder)
  return builder.as_data_source("train")[0]


def _nodes(graph, name, split):
  splits = [key.removesuffix(_MASK) for key in graph if key.endswith(_MASK)]
  if split not in splits:
    raise ValueError(
        f"graph {name!r} has no split {split!r}, and slices of splits are not"
        f" for graphs; {names.suggest(split, splits)}"
    )
  return np.flatnonzero(graph[split + _MASK]).astype(np.int32)


@functools.lru_cache(maxsize=1)
def _placed(folder):
  return place(_read(folder))


def place(graph: Mapping[str, Any]) -> dict[str, jax.Array]:
  """Everything of `gcn.Nodes` but the rows, on the devices."""
  edges = _normalised(graph["edges"], len(graph["label"]))
  features = _shares(np.asarray(graph["features"], np.float32))
  return parallel.replicate({"features": features, **edges})


def _shares(features):
  """Rows divided by their sums, as in the code of GCN; zeros stay."""
  sums = features.sum(axis=1, keepdims=True)
  return features / np.where(sums == 0, 1, sums)


def _normalised(edges, nodes):
  """`D^-1/2 (A + I) D^-1/2`, D the row sums of A + I, by receiver.

  Args:
    edges: `int[E, 2]`, undirected, each once.
    nodes: Their number.

  Returns:
    `senders`, `receivers` and `weights` of the `2 E + nodes` entries.
  """
  a, b = edges.T
  loops = np.arange(nodes)
  senders = np.concatenate([a, b, loops])
  receivers = np.concatenate([b, a, loops])
  order = np.lexsort((senders, receivers))
  senders, receivers = senders[order], receivers[order]
  scale = np.bincount(receivers, minlength=nodes) ** -0.5
  return {
      "senders": senders.astype(np.int32),
      "receivers": receivers.astype(np.int32),
      "weights": (scale[senders] * scale[receivers]).astype(np.float32),
  }


def _finish(batch, shared):
  return batch | {"x": gcn.Nodes(batch["x"], **shared)}


def open_folder(folder: pathlib.Path, split: str, data: Any) -> base.Source:
  """Raises ValueError: there is no common layout of graphs in a folder."""
  del split, data
  raise ValueError(
      f"data.name: the folder {folder} cannot be opened as a graph; graphs are"
      " TFDS datasets, such as 'cora'"
  )


def check(config: Any, example: base.Arrays) -> None:
  """Raises ValueError for options of images, and for a graph that streams.

  Args:
    config: The configuration.
    example: A batch of one row.
  """
  del example
  options.check_no_image_options(config, KIND)
  if config.data.pipeline != "resident":
    raise ValueError(
        f"data.pipeline must be 'resident' for the graph {config.data.name!r},"
        f" which lies on the devices whole, got {config.data.pipeline!r}"
    )


def points(x: gcn.Nodes) -> np.ndarray:
  """What nodes and their neighbours have on average, of length 1, `[B, D]`.

  Bags of few words lie far from all others, and would be all there is to see.
  """
  rows, receivers = np.asarray(x.rows), np.asarray(x.receivers)
  features, senders = np.asarray(x.features), np.asarray(x.senders)
  around = [features[senders[receivers == row]].mean(axis=0) for row in rows]
  around = np.stack(around)
  return around / np.maximum(np.linalg.norm(around, axis=1, keepdims=True), 1e-9)


DOMAIN = base.Domain(
    unit="nodes",
    recognises=recognises,
    open=open_dataset,
    holds=lambda folder: False,
    open_folder=open_folder,
    views=base.as_they_are,
    check=check,
    points=points,
)

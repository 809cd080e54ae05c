"""Data drawn from a seed: sets of no size, to try configurations on.

`mock` holds images; `mock/table`, `mock/sound`, `mock/graph` and `mock/text` what
they say.
Ten classes, told apart by a colour, a row, a tone or a word.
"""

from collections.abc import Callable
import functools
from typing import Any

import numpy as np

from dmjax import names
from dmjax.data import base
from dmjax.data import derived
from dmjax.data import graphs
from dmjax.data import sounds
from dmjax.data import texts
from dmjax.data import tsv_files

NUM_CLASSES = 10
_CLASSES = tuple(map(str, range(NUM_CLASSES)))
_SIZES = {"train": 48, "test": 24}
# Each of them has all classes.
_DOMAINS = ("a", "b", "c")
_SIDE = 40
_COLUMNS = 6
_RATE = 4000


def open_mock(name: str, split: str, data: Any = None) -> base.Source:
  """A split of a set that is drawn.

  Args:
    name: `mock` or one of the others.
    split: `train` or `test`.
    data: The `data` section, for the options of its kind.

  Returns:
    The source: images `uint8[40, 40, 3]`, rows `float32[6]`, recordings of half
    a second, the nodes of one graph, or sentences of up to twelve words.

  Raises:
    ValueError: For another name or split.
  """
  make = names.lookup("dataset", name, _MOCKS)
  if split not in _SIZES:
    raise ValueError(f"dataset {name!r} has no split {split!r}; it has train, test")
  return make(split, data or {})


def _drawn(split: str, draw: Callable[[np.random.Generator, int], np.ndarray]):
  """A source of `draw(rng, label)`, a generator for every example."""

  def read(index):
    rng = np.random.default_rng((list(_SIZES).index(split), index))
    return {"x": draw(rng, index % NUM_CLASSES), "label": index % NUM_CLASSES}

  size = _SIZES[split]
  source = base.Source(
      read, size, _CLASSES, label=lambda index: index % NUM_CLASSES
  )
  domains = np.arange(size) // NUM_CLASSES % len(_DOMAINS)
  return derived.with_domains(source, _DOMAINS, domains)


def _images(split, data):
  del data

  def draw(rng, label):
    colour = np.random.default_rng(label).integers(64, 192, size=3)
    noise = rng.integers(-64, 64, size=(_SIDE, _SIDE, 3))
    return (colour + noise).astype(np.uint8)

  return _drawn(split, draw)


def _table(split, data):
  del data
  centres = 2 * np.random.default_rng(0).normal(size=(NUM_CLASSES, _COLUMNS))

  def draw(rng, label):
    return (centres[label] + rng.normal(size=_COLUMNS)).astype(np.float32)

  zeros, ones = (0.0,) * _COLUMNS, (1.0,) * _COLUMNS
  return _drawn(split, draw)._replace(kind="table", mean=zeros, std=ones)


def _sound(split, data):
  times = np.arange(_RATE // 2) / _RATE

  def draw(rng, label):
    tone = np.sin(2 * np.pi * (200 + 150 * label) * times)
    noise = rng.normal(size=times.shape)
    return (6000 * tone + 1000 * noise).astype(np.int16)

  return sounds.source_of(_drawn(split, draw), _RATE, data, "mock/sound")


def _text(split, data):
  training = lambda: _sentences("train")
  labels = [index % NUM_CLASSES for index in range(_SIZES[split])]
  found = tsv_files.Texts(_sentences(split), labels, _CLASSES, _CLASSES)
  return texts.source_of(found, training, data)


def _sentences(split):
  """A word of the class among up to twelve others."""
  rng = np.random.default_rng(list(_SIZES).index(split))
  sentences = []
  for index in range(_SIZES[split]):
    words = [f"word{word}" for word in rng.integers(30, size=rng.integers(4, 13))]
    words[rng.integers(len(words))] = f"class{index % NUM_CLASSES}"
    sentences.append(" ".join(words))
  return sentences


def _graph(split, data):
  del data
  return graphs.source_of(_whole_graph(), _placed_graph, "mock/graph", split)


@functools.cache
def _whole_graph():
  """Nodes with a word of their class and others, most edges within a class."""
  rng = np.random.default_rng(0)
  count = sum(_SIZES.values())
  label = np.arange(count, dtype=np.int32) % NUM_CLASSES
  words = rng.random((count, 2 * NUM_CLASSES)) < 0.2
  words[np.arange(count), label] = True
  ends = rng.integers(count, size=(3 * count, 2))
  within = ends[:, 0] // NUM_CLASSES * NUM_CLASSES + label[ends[:, 1]]
  ends[::2, 0] = np.minimum(within, count - 1)[::2]
  ends = np.unique(np.sort(ends[ends[:, 0] != ends[:, 1]], axis=1), axis=0)
  train = np.arange(count) < _SIZES["train"]
  return {
      "features": words.astype(np.uint8), "edges": ends.astype(np.int32),
      "label": label, "train_mask": train, "test_mask": ~train,
  }


@functools.cache
def _placed_graph():
  return graphs.place(_whole_graph())


_MOCKS = {
    "mock": _images, "mock/table": _table, "mock/sound": _sound,
    "mock/graph": _graph, "mock/text": _text,
}

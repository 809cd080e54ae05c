"""Cora, CiteSeer and PubMed as TFDS datasets, from the files of Planetoid.

Citation graphs with the public split of arXiv 1603.08861. The published files
are pickles of Python 2, which are read without trust: nothing but arrays,
sparse matrices and dicts of lists comes out of them.
"""

import collections
import copyreg
import pathlib
import pickle
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

HOMEPAGE = "https://github.com/kimiyoung/planetoid"
SOURCE = f"`data` of {HOMEPAGE}"
PARTS = ("x", "y", "tx", "ty", "allx", "ally", "graph", "test.index")

_VALIDATION = 500


class Matrix:
  """Stands for SciPy's `csr_matrix`: `data`, `indices`, `indptr`, `_shape`."""


# What the files name, and what is made of it.
_ADMITTED = {
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    ("numpy.core.multiarray", "scalar"): np.int64(0).__reduce__()[0],
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("scipy.sparse.csr", "csr_matrix"): Matrix,
    ("collections", "defaultdict"): collections.defaultdict,
    ("__builtin__", "list"): list,
    ("__builtin__", "object"): object,
    ("copy_reg", "_reconstructor"): copyreg._reconstructor,
}


class Planetoid(tfds.core.GeneratorBasedBuilder, skip_registration=True):
  """A citation graph: papers, their words, who cites whom, their subject.

  `train` holds one example, the whole graph. The classes have no names. Nodes
  that the files leave out have no words and no label, which is -1.
  """

  VERSION = tfds.core.Version("1.0.0")
  RELEASE_NOTES = {"1.0.0": "First version."}
  WORDS = np.uint8
  SIZE = ""

  def _info(self) -> tfds.core.DatasetInfo:
    tensor = tfds.features.Tensor
    masks = ("train_mask", "validation_mask", "test_mask")
    return self.dataset_info_from_configs(
        description=f"A citation graph of Planetoid's: {self.SIZE}.",
        homepage=HOMEPAGE,
        features=tfds.features.FeaturesDict({
            "features": tensor(
                shape=(None, None), dtype=self.WORDS, encoding="zlib"
            ),
            "edges": tensor(shape=(None, 2), dtype=np.int32),
            "label": tensor(shape=(None,), dtype=np.int32),
            **{key: tensor(shape=(None,), dtype=np.bool_) for key in masks},
        }),
    )

  def _split_generators(self, dl_manager):
    folder = pathlib.Path(dl_manager.manual_dir)
    return {"train": self._generate_examples(folder)}

  def _generate_examples(self, folder):
    graph = read(folder, self.name)
    yield 0, graph | {"features": graph["features"].astype(self.WORDS)}


def _instructions(name):
  files = ", ".join(f"ind.{name}.{part}" for part in PARTS)
  return f"""\
Put these files of the folder {SOURCE}
into the manual directory: {files}.
"""


class Cora(Planetoid):
  """Machine learning papers; words are 0 or 1."""

  SIZE = "2,708 papers in 7 classes, 5,278 edges, 1,433 words"
  MANUAL_DOWNLOAD_INSTRUCTIONS = _instructions("cora")


class CiteSeer(Planetoid):
  """Computer science papers; words are 0 or 1."""

  name = "citeseer"
  SIZE = "3,327 papers in 6 classes, 4,552 edges, 3,703 words"
  MANUAL_DOWNLOAD_INSTRUCTIONS = _instructions("citeseer")


class PubMed(Planetoid):
  """Papers about diabetes; words are weighted by their frequency, TF-IDF."""

  name = "pubmed"
  WORDS = np.float32
  SIZE = "19,717 papers in 3 classes, 44,324 edges, 500 words"
  MANUAL_DOWNLOAD_INSTRUCTIONS = _instructions("pubmed")


def read(folder: pathlib.Path, name: str) -> dict[str, np.ndarray]:
  """The graph of the eight files `ind.NAME.*`.

  Nodes are numbered as in `graph`: those of `allx` first, of which the first
  are for training and the next 500 for validation; row k of `tx` belongs to the
  node in line k of `test.index`.

  Args:
    folder: Where the files lie.
    name: `cora`, `citeseer` or `pubmed`.

  Returns:
    `features`, `edges`, `label` and three masks, as the builder declares them.

  Raises:
    ValueError: For a file that is missing, damaged or refers to what such files
      do not hold, and for files that do not fit together.
  """
  parts = {part: _load(folder / f"ind.{name}.{part}") for part in PARTS}
  test = parts["test.index"]
  count = max(len(parts["ally"]), test.max() + 1)
  known = np.arange(len(parts["ally"]))
  rows = np.concatenate([known, test])
  train = len(parts["y"])
  return {
      "features": _placed(count, rows, parts["allx"], parts["tx"]),
      "edges": _edges(parts["graph"], count),
      "label": _labels(_placed(count, rows, parts["ally"], parts["ty"])),
      "train_mask": _mask(count, known[:train]),
      "validation_mask": _mask(count, known[train : train + _VALIDATION]),
      "test_mask": _mask(count, test),
  }


def _load(path):
  if not path.is_file():
    raise ValueError(f"{path} is missing; it is in the folder {SOURCE}")
  if path.name.endswith(".index"):
    return np.array(path.read_text().split(), np.int64)
  with path.open("rb") as file:
    try:
      found = _Unpickler(file, encoding="latin1").load()
    except (pickle.UnpicklingError, EOFError) as error:
      raise ValueError(
          f"{path} cannot be read ({error}); download it from {HOMEPAGE} again"
      ) from None
  return _dense(found) if isinstance(found, Matrix) else found


class _Unpickler(pickle.Unpickler):
  """Makes what the table admits, and nothing else."""

  def find_class(self, module: str, name: str) -> Any:
    """The class of that name; ValueError where the table has none."""
    if (module, name) not in _ADMITTED:
      raise ValueError(
          f"a file of Planetoid may not refer to {module}.{name}; download the"
          f" files from {HOMEPAGE} again"
      )
    return _ADMITTED[module, name]


def _dense(matrix):
  dense = np.zeros(matrix._shape, matrix.data.dtype)
  rows = np.repeat(np.arange(len(dense)), np.diff(matrix.indptr))
  dense[rows, matrix.indices] = matrix.data
  return dense


def _placed(count, rows, known, test):
  """Rows of two files at their nodes, zeros at the others."""
  if len(rows) != len(known) + len(test):
    raise ValueError(
        f"allx and tx, or ally and ty, must have a row for each of {len(rows)}"
        f" nodes, got {len(known)} and {len(test)}; the files are of several"
        " graphs"
    )
  placed = np.zeros((count, known.shape[1]), known.dtype)
  placed[rows] = np.concatenate([known, test])
  return placed


def _labels(one_hot):
  classes = one_hot.argmax(axis=1)
  return np.where(one_hot.any(axis=1), classes, -1).astype(np.int32)


def _mask(count, nodes):
  mask = np.zeros(count, bool)
  mask[nodes] = True
  return mask


def _edges(graph, count):
  """`int32[E, 2]`, each once, the smaller node first, no self-loops."""
  pairs = np.array([(a, b) for a, others in graph.items() for b in others])
  if pairs.min() < 0 or pairs.max() >= count:
    raise ValueError(
        f"the nodes of the graph must lie in [0, {count}), got {pairs.min()} to"
        f" {pairs.max()}; the files are of several graphs"
    )
  pairs = np.unique(np.sort(pairs, axis=1), axis=0)
  return pairs[pairs[:, 0] != pairs[:, 1]].astype(np.int32)

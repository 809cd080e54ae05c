"""Planetoid's files: a small release made up here, and pickles to refuse."""

import collections
import io
import os
import pathlib
import pickle
import struct
import types

import numpy as np
import pytest
from tensorflow_datasets.core import read_only_builder

from dmjax.data import graphs
from dmjax.data import planetoid

SHARED = pathlib.Path(
    os.environ.get("DMJAX_SHARED", pathlib.Path(__file__).parents[2] / "shared")
)
WORDS, CLASSES = 4, 3
LABELLED, TRAIN = 506, 3
# Node 509 is in no file but `graph`, and nodes are not in order.
TEST = np.array([510, 506, 508, 507])
COUNT = 511
GRAPH = {0: [1, 1, 506], 1: [0, 1], 2: [0, 510], 506: [0], 509: [509]}
EDGES = [[0, 1], [0, 2], [0, 506], [2, 510]]


def one_hot(labels):
  return np.eye(CLASSES, dtype=np.int32)[labels]


def contents():
  rng = np.random.default_rng(0)
  words = rng.integers(2, size=(LABELLED, WORDS)).astype(np.float32)
  tested = rng.integers(2, size=(len(TEST), WORDS)).astype(np.float32)
  labels = one_hot(np.arange(LABELLED) % CLASSES)
  return {
      "x": words[:TRAIN], "allx": words, "tx": tested,
      "y": labels[:TRAIN], "ally": labels, "ty": one_hot([2, 0, 1, 2]),
      "graph": collections.defaultdict(list, GRAPH),
  }


class csr_matrix:
  """As SciPy of Python 2 pickles one: its attributes."""

  def __init__(self, dense):
    rows, columns = np.nonzero(dense)
    self.data, self.indices = dense[rows, columns], columns.astype(np.int32)
    starts = np.searchsorted(rows, np.arange(len(dense) + 1))
    self.indptr, self._shape = starts.astype(np.int32), dense.shape
    self.maxprint = 50


class Python2(pickle._Pickler):
  """Writes bytes as strings, and classes by the names they had."""

  dispatch = pickle._Pickler.dispatch.copy()
  NAMES = {
      "builtins": "__builtin__", "copyreg": "copy_reg",
      "numpy._core.multiarray": "numpy.core.multiarray",
      __name__: "scipy.sparse.csr",
  }

  def save_bytes(self, obj):
    self.write(pickle.BINSTRING + struct.pack("<i", len(obj)) + obj)
    self.memoize(obj)

  def save_global(self, obj, name=None):
    module = self.NAMES.get(obj.__module__, obj.__module__)
    self.write(f"c{module}\n{name or obj.__qualname__}\n".encode())
    self.memoize(obj)

  dispatch[bytes] = save_bytes
  dispatch[type] = dispatch[types.FunctionType] = save_global


def pickled(obj, protocol=2):
  file = io.BytesIO()
  Python2(file, protocol).dump(obj)
  return file.getvalue()


def write(folder, name="cora", protocol=2, **changed):
  folder.mkdir(parents=True, exist_ok=True)
  for part, value in (contents() | changed).items():
    value = csr_matrix(value) if part.endswith("x") else value
    (folder / f"ind.{name}.{part}").write_bytes(pickled(value, protocol))
  lines = "".join(f"{node}\n" for node in TEST)
  (folder / f"ind.{name}.test.index").write_text(lines)


def prepared(builder_class, folder):
  write(folder / "downloads/manual", builder_class.name)
  builder = builder_class(data_dir=folder, file_format="array_record")
  builder.download_and_prepare()
  return read_only_builder.builder_from_files(
      builder_class.name, data_dir=folder
  )


@pytest.mark.parametrize("protocol", (1, 2))
def test_rows_of_all_files_come_to_the_nodes_they_belong_to(tmp_path, protocol):
  write(tmp_path, protocol=protocol)
  graph, parts = planetoid.read(tmp_path, "cora"), contents()
  features, labels = graph["features"], graph["label"]
  np.testing.assert_array_equal(features[:LABELLED], parts["allx"])
  np.testing.assert_array_equal(features[TEST], parts["tx"])
  np.testing.assert_array_equal(labels[:LABELLED], parts["ally"].argmax(1))
  assert labels[TEST].tolist() == [2, 0, 1, 2]


def test_a_node_without_a_row_has_no_words_no_label_and_no_split(tmp_path):
  write(tmp_path)
  graph = planetoid.read(tmp_path, "cora")
  assert not graph["features"][509].any() and graph["label"][509] == -1
  assert not any(graph[f"{split}_mask"][509] for split in ("train", "test"))
  assert {len(graph[k]) for k in graph if k != "edges"} == {COUNT}


def test_splits_are_the_public_ones(tmp_path):
  write(tmp_path)
  graph = planetoid.read(tmp_path, "cora")
  nodes = [
      np.flatnonzero(graph[f"{split}_mask"]).tolist()
      for split in ("train", "validation", "test")
  ]
  assert nodes == [[0, 1, 2], list(range(3, 503)), sorted(TEST.tolist())]


def test_edges_are_undirected_once_each_and_no_loops(tmp_path):
  write(tmp_path)
  assert planetoid.read(tmp_path, "cora")["edges"].tolist() == EDGES


@pytest.mark.parametrize(
    "builder_class", (planetoid.Cora, planetoid.CiteSeer, planetoid.PubMed)
)
def test_prepared_graphs_open(builder_class, tmp_path):
  builder = prepared(builder_class, tmp_path)
  features = dict(builder.info.features)
  assert graphs.DOMAIN.recognises(features, "image")
  source = graphs.DOMAIN.open(builder, builder_class.name, "test", {})
  assert source.size == 4 and source.class_names == ("0", "1", "2")
  read = [source.read(index) for index in range(4)]
  assert [int(example["x"]) for example in read] == sorted(TEST.tolist())
  assert [example["label"] for example in read] == [0, 2, 1, 2]
  found = builder.as_data_source("train")[0]["features"]
  np.testing.assert_array_equal(found[TEST], contents()["tx"])
  assert found.dtype == builder_class.WORDS


def test_builders_have_the_names_of_the_files():
  classes = (planetoid.Cora, planetoid.CiteSeer, planetoid.PubMed)
  assert [each.name for each in classes] == ["cora", "citeseer", "pubmed"]
  for each in classes:
    text = each.MANUAL_DOWNLOAD_INSTRUCTIONS
    assert f"ind.{each.name}.test.index" in text
    assert "github.com/kimiyoung/planetoid" in text


class Harm:
  """A pickle that calls a function."""

  def __init__(self, function, *arguments):
    self.call = function, arguments

  def __reduce__(self):
    return self.call


@pytest.mark.parametrize("name, function, argument", (
    ("system", os.system, "touch harmed"), ("eval", eval, "1"),
    ("getattr", getattr, "x"),
))
def test_pickles_that_call_anything_else_are_refused(
    tmp_path, monkeypatch, name, function, argument
):
  monkeypatch.chdir(tmp_path)
  write(tmp_path)
  harm = pickle.dumps(Harm(function, argument), protocol=2)
  (tmp_path / "ind.cora.graph").write_bytes(harm)
  with pytest.raises(ValueError, match=rf"may not refer to \w+\.{name};"):
    planetoid.read(tmp_path, "cora")
  assert not (tmp_path / "harmed").exists()


def test_missing_and_damaged_files_are_named(tmp_path):
  write(tmp_path)
  whole = (tmp_path / "ind.cora.allx").read_bytes()
  for damaged in (b"<!DOCTYPE html>", whole[:100], b""):
    (tmp_path / "ind.cora.allx").write_bytes(damaged)
    with pytest.raises(ValueError, match="ind.cora.allx cannot be read"):
      planetoid.read(tmp_path, "cora")
  (tmp_path / "ind.cora.allx").unlink()
  with pytest.raises(ValueError, match="ind.cora.allx is missing"):
    planetoid.read(tmp_path, "cora")


@pytest.mark.parametrize("changed, message", (
    ({"ty": one_hot([0, 1])}, "must have a row for each of 510 nodes"),
    ({"allx": np.ones((5, WORDS))}, "must have a row for each of 510 nodes"),
    ({"graph": {0: [COUNT]}}, rf"must lie in \[0, {COUNT}\), got 0 to {COUNT}"),
))
def test_files_of_several_graphs_are_refused(tmp_path, changed, message):
  write(tmp_path, **changed)
  with pytest.raises(ValueError, match=message):
    planetoid.read(tmp_path, "cora")


@pytest.mark.skipif(
    not (SHARED / "tfds/cora").is_dir(), reason="needs the prepared Cora"
)
def test_cora_prepared_elsewhere_has_the_features_of_ours(tmp_path):
  theirs = read_only_builder.builder_from_files(
      "cora", data_dir=SHARED / "tfds"
  )
  ours = planetoid.Cora(data_dir=tmp_path, file_format="array_record")
  types_ = [
      {key: feature.np_dtype for key, feature in builder.info.features.items()}
      for builder in (theirs, ours)
  ]
  assert types_[0] == types_[1]
  graph = theirs.as_data_source("train")[0]
  counts = np.bincount(graph["label"]).tolist()
  assert counts == [351, 217, 418, 818, 426, 298, 180]
  edges = graph["edges"]
  again = collections.defaultdict(list)
  for a, b in np.concatenate([edges, edges[:, ::-1]]).tolist():
    again[a].append(b)
  np.testing.assert_array_equal(planetoid._edges(again, 2708), edges)

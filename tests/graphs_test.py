"""Graphs as a kind of input: what nodes are read as, and what is refused."""

import os
import pathlib

import chex
import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import pytest
import tensorflow_datasets as tfds
from tensorflow_datasets.core import read_only_builder

from dmjax import models
from dmjax.data import base
from dmjax.data import graphs

SHARED = pathlib.Path(
    os.environ.get("DMJAX_SHARED", pathlib.Path(__file__).parents[2] / "shared")
)
NODES = 6
EDGES = ((0, 1), (0, 2), (1, 2), (3, 4))  # Node 5 has no neighbour, nor words.
FEATURES = np.array([
    [1, 0, 1], [0, 1, 0], [1, 1, 1], [0, 0, 1], [1, 1, 0], [0, 0, 0]
])
LABELS = (0, 1, 1, 0, 2, -1)
SPLITS = {"train": (0, 1), "validation": (2,), "test": (3, 4)}


class House(tfds.core.GeneratorBasedBuilder, skip_registration=True):
  """A graph of six nodes."""

  VERSION = tfds.core.Version("1.0.0")

  def _info(self):
    tensor = tfds.features.Tensor
    return self.dataset_info_from_configs(features=tfds.features.FeaturesDict({
        "features": tensor(shape=(NODES, 3), dtype=np.uint8),
        "edges": tensor(shape=(None, 2), dtype=np.int32),
        "label": tensor(shape=(NODES,), dtype=np.int32),
        **{f"{split}_mask": tensor(shape=(NODES,), dtype=np.bool_)
           for split in SPLITS},
    }))

  def _split_generators(self, dl_manager):
    return {"train": self._generate_examples()}

  def _generate_examples(self):
    masks = {
        f"{split}_mask": np.isin(np.arange(NODES), rows)
        for split, rows in SPLITS.items()
    }
    yield 0, {
        "features": FEATURES.astype(np.uint8), "edges": np.int32(EDGES),
        "label": np.int32(LABELS), **masks,
    }


@pytest.fixture(scope="module")
def house(tmp_path_factory):
  folder = tmp_path_factory.mktemp("graphs")
  builder = House(data_dir=folder, file_format="array_record")
  builder.download_and_prepare()
  return read_only_builder.builder_from_directory(builder.data_dir)


def open_split(builder, split="train"):
  return graphs.DOMAIN.open(builder, "house", split, {})


def test_a_dataset_with_edges_and_a_mask_is_a_graph(house):
  recognises = graphs.DOMAIN.recognises
  features = dict(house.info.features)
  assert recognises(features, "image")
  assert not recognises({"image": None, "label": None}, "image")
  assert not recognises({"edges": None, "label": None}, "edges")


@pytest.mark.parametrize("split", SPLITS)
def test_examples_are_the_nodes_of_the_split_with_their_labels(house, split):
  source = open_split(house, split)
  read = [source.read(index) for index in range(source.size)]
  assert tuple(int(example["x"]) for example in read) == SPLITS[split]
  assert all(example["x"].dtype == np.int32 for example in read)
  labels = [LABELS[node] for node in SPLITS[split]]
  assert [example["label"] for example in read] == labels
  assert [source.label(index) for index in range(source.size)] == labels
  assert source.class_names == ("0", "1", "2") and source.kind == "graph"
  assert source.present == tuple(map(str, sorted(set(labels))))
  assert (source.mean, source.std) == ((), ())


def test_edges_are_a_matrix_normalised_by_degrees_with_self_loops(house):
  shared = jax.device_get(open_split(house).shared())
  a = np.eye(NODES)
  for i, j in EDGES:
    a[i, j] = a[j, i] = 1
  scale = a.sum(1) ** -0.5
  dense = np.zeros((NODES, NODES))
  dense[shared["receivers"], shared["senders"]] = shared["weights"]
  np.testing.assert_allclose(dense, scale[:, None] * a * scale, rtol=1e-6)
  assert len(shared["weights"]) == 2 * len(EDGES) + NODES
  assert (np.diff(shared["receivers"]) >= 0).all()
  types = [str(shared[k].dtype) for k in ("senders", "receivers", "weights")]
  assert types == ["int32", "int32", "float32"]


def test_features_of_a_node_sum_to_one_or_are_all_zero(house):
  features = jax.device_get(open_split(house).shared()["features"])
  assert features.dtype == np.float32
  np.testing.assert_array_equal(features.sum(1).round(6), [1, 1, 1, 1, 1, 0])
  np.testing.assert_allclose(features[2], 1 / 3, rtol=1e-6)


def test_splits_share_one_graph_on_all_devices(house):
  first = open_split(house).shared()
  assert open_split(house, "test").shared() is first
  assert all(v.devices() == set(jax.devices()) for v in first.values())


def test_a_batch_is_finished_to_nodes_inside_the_step(house):
  source = open_split(house, "test")
  batch = {"x": jnp.int32([3, 4]), "label": jnp.int32([0, 2])}
  finished = jax.jit(source.finish)(batch, source.shared())
  assert isinstance(finished["x"], models.Nodes)
  assert finished["x"].rows.tolist() == [3, 4]
  np.testing.assert_array_equal(finished["label"], batch["label"])
  example = base.example_of(source, jax.device_get(batch))
  assert example["x"].shape == (1,) and example["x"].features.shape == (6, 3)
  assert isinstance(example["x"].features, np.ndarray)


def test_points_are_what_nodes_and_neighbours_have_on_average(house):
  source = open_split(house)
  shared = jax.device_get(source.shared())
  found = graphs.DOMAIN.points(models.Nodes(np.int32([4, 0]), **shared))
  near = np.eye(NODES)
  for a, b in EDGES:
    near[a, b] = near[b, a] = 1
  around = (near @ shared["features"])[[4, 0]]
  around /= np.linalg.norm(around, axis=1, keepdims=True)
  np.testing.assert_allclose(found, around, rtol=1e-5)


def test_a_split_without_a_mask_is_refused(house):
  with pytest.raises(ValueError, match="no split 'tset'.*mean 'test'"):
    open_split(house, "tset")
  with pytest.raises(ValueError, match="slices of splits are not for graphs"):
    open_split(house, "train[:50%]")


def test_folders_are_no_graphs(tmp_path):
  assert not graphs.DOMAIN.holds(tmp_path)
  with pytest.raises(ValueError, match="cannot be opened as a graph"):
    graphs.DOMAIN.open_folder(tmp_path, "train", {})


def test_views_leave_nodes_as_they_are():
  views = graphs.DOMAIN.views({})
  x = object()
  assert [views[name](None, x) for name in ("weak", "strong")] == [x, x]


def config(**options):
  data = dict.fromkeys((
      "channels", "image_size", "test_image_size", "test_resize",
      "crop_padding", "jitter", "erase", "cutout",
  ), 0)
  data |= {"crop_scale": (), "flip": False, "auto_augment": "", "name": "house"}
  data |= {"pipeline": "resident"} | options
  unlabelled = {"split": "", "auto_augment": "", "cutout": 0}
  return ml_collections.ConfigDict({"data": data, "unlabelled": unlabelled})


def test_options_without_meaning_for_a_graph_are_refused():
  graphs.DOMAIN.check(config(), {})
  with pytest.raises(ValueError, match="data.flip is for images.*'graph'"):
    graphs.DOMAIN.check(config(flip=True), {})
  with pytest.raises(ValueError, match="must be 'resident'.*got 'streaming'"):
    graphs.DOMAIN.check(config(pipeline="streaming"), {})


def test_a_step_traces_once_for_batches_of_all_splits(house):
  network = models.create("gcn", num_classes=3, widths=(4,))

  @jax.jit
  @chex.assert_max_traces(n=1)
  def predict(variables, rows, shared):
    x = open_split(house).finish({"x": rows}, shared)["x"]
    return network.apply(variables, x, train=False)

  source = open_split(house)
  x = models.Nodes(jnp.int32([0]), **source.shared())
  variables = network.init(jax.random.key(0), x, train=False)
  for split in ("train", "test"):
    logits = predict(
        variables, jnp.int32(SPLITS[split]), open_split(house, split).shared()
    )
    assert logits.shape == (2, 3)


@pytest.mark.skipif(
    not (SHARED / "tfds/cora").is_dir(), reason="needs the prepared Cora"
)
def test_prepared_cora_is_read():
  builder = read_only_builder.builder_from_files(
      "cora", data_dir=SHARED / "tfds"
  )
  assert graphs.DOMAIN.recognises(dict(builder.info.features), "image")
  opened = {
      split: graphs.DOMAIN.open(builder, "cora", split, {})
      for split in ("train", "validation", "test")
  }
  assert [source.size for source in opened.values()] == [140, 500, 1000]
  train = opened["train"]
  assert train.num_classes == len(train.present) == 7
  counts = np.bincount([train.label(index) for index in range(140)])
  assert counts.tolist() == [20] * 7
  shared = train.shared()
  assert shared["features"].shape == (2708, 1433)
  assert len(shared["weights"]) == 2 * 5278 + 2708

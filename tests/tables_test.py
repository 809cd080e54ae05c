"""Tables as TFDS datasets, among them those of scikit-learn."""

import collections
import os
import pathlib

import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow_datasets as tfds
from tensorflow_datasets.core import read_only_builder
from tensorflow_datasets.core import registered

from dmjax import config as config_lib
from dmjax.data import base
from dmjax.data import examples
from dmjax.data import sklearn_tables
from dmjax.data import tables

LABEL = tfds.features.ClassLabel(names=["no", "yes"])
NUMBER = tfds.features.Scalar(np.float32)
SHARED = pathlib.Path(
    os.environ.get("DMJAX_SHARED", pathlib.Path(__file__).parents[2] / "shared")
) / "tfds"
PLAIN, LOG1P = {}, {"train": "train", "table": {"log1p": True}}


def prepared(directory, features, keys, rows):
  """A prepared TFDS dataset of those rows."""

  class Rows(tfds.core.GeneratorBasedBuilder):
    """Rows."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
      return self.dataset_info_from_configs(
          features=tfds.features.FeaturesDict(features), supervised_keys=keys,
          disable_shuffling=True,
      )

    def _split_generators(self, dl_manager):
      return {"train": self._generate_examples()}

    def _generate_examples(self):
      yield from enumerate(rows)

  builder = Rows(data_dir=directory, file_format="array_record")
  builder.download_and_prepare()
  return builder


@pytest.fixture
def dataset(tmp_path):
  """`(features, keys, rows) -> builder`."""
  with registered.skip_registration():
    yield lambda *arguments: prepared(tmp_path, *arguments)


def opened(builder, data=PLAIN, split="train"):
  return tables.DOMAIN.open(builder, "rows", split, data)


def rows_of(source):
  """All of a source, as a pipeline reads it."""
  found = examples.stack([examples.read(source, i) for i in range(source.size)])
  assert found["x"].dtype == np.float32
  return found["x"], found["label"]


def assert_statistics(source, x):
  np.testing.assert_allclose(source.mean, x.mean(0), rtol=1e-6)
  np.testing.assert_allclose(source.std, x.std(0), rtol=1e-6)


@pytest.mark.parametrize("dtype", (np.float32, np.float64, np.uint8, np.int64))
def test_a_flat_array_is_a_table_with_statistics_of_its_rows(dataset, dtype):
  values = np.random.default_rng(0).integers(9, size=(6, 3)).astype(dtype)
  feature = tfds.features.Tensor(shape=(3,), dtype=dtype)
  source = opened(dataset(
      {"f": feature, "label": LABEL}, ("f", "label"),
      [{"f": row, "label": i % 2} for i, row in enumerate(values)],
  ))
  x, labels = rows_of(source)
  np.testing.assert_array_equal(x, values)
  np.testing.assert_array_equal(labels, [0, 1] * 3)
  assert (source.kind, source.class_names) == ("table", ("no", "yes"))
  assert source.label(1) == 1
  assert_statistics(source, values)


def test_columns_are_numbers_or_zeros_and_ones(dataset):
  sex = tfds.features.ClassLabel(names=["m", "f", "i"])
  names = ("age", "alive", "sex")
  source = opened(dataset(
      {"age": tfds.features.Scalar(np.int32), "sex": sex, "label": LABEL,
       "alive": tfds.features.Scalar(np.bool_), "unused": NUMBER},
      ({name: name for name in names}, "label"),
      [{"age": 30, "sex": "i", "alive": True, "label": 1, "unused": 0.0},
       {"age": 50, "sex": "m", "alive": False, "label": 0, "unused": 1.0}],
  ))
  x, labels = rows_of(source)
  expected = np.float32([[30, 1, 0, 0, 1], [50, 0, 1, 0, 0]])
  np.testing.assert_array_equal(x, expected)
  np.testing.assert_array_equal(labels, [1, 0])
  # No row is an `f`: that column is constant.
  np.testing.assert_allclose(source.std, (10, 0.5, 0.5, 1, 0.5))


@pytest.mark.parametrize("features,key,expected", (
    ({"f": tfds.features.Tensor(shape=(3,), dtype=np.int64)}, "f", True),
    ({"f": tfds.features.Tensor(shape=(None,), dtype=np.int64)}, "f", False),
    ({"f": tfds.features.Tensor(shape=(3, 2), dtype=np.int64)}, "f", False),
    ({"f": tfds.features.Text()}, "f", False),
    ({"f": LABEL}, "f", False),
    ({"f": tfds.features.Image()}, "f", False),
    ({"a": NUMBER, "label": LABEL}, {"a": "a"}, True),
    # Without supervised keys.
    ({"a": NUMBER, "label": LABEL}, "image", True),
    ({"text": tfds.features.Text(), "label": LABEL}, "image", False),
    ({"a": LABEL, "label": LABEL}, "image", False),
))
def test_tables_are_recognised_by_their_features(features, key, expected):
  features = tfds.features.FeaturesDict(features)
  assert tables.DOMAIN.recognises(features, key) == expected


TEXT = tfds.features.Text()
BAD = (
    (NUMBER, LABEL, None, 1.0, "does not say.*must set supervised_keys"),
    (TEXT, LABEL, ({"a": "a"}, "label"), "x", "column 'a'.*must be a number"),
    (NUMBER, NUMBER, ({"a": "a"}, "label"), 1.0, "'label'.*must be a ClassLab"),
    (NUMBER, LABEL, ({"a": "a"}, "label"), np.nan,
     "example 0 of 'rows', split 'train', column 'a': nan is no finite"),
    (NUMBER, LABEL, ({"a": "a"}, "label"), np.inf, "inf is no finite"),
    (NUMBER, LABEL, ({"a": "a"}, "label"), -1.0, "-1.0 is not above -1.*log1p"),
    (LABEL, LABEL, ({"a": "a"}, "label"), -1, "column 'a': -1 is no category"),
)


@pytest.mark.parametrize("column,label,keys,value,message", BAD)
def test_what_makes_no_table_is_named(
    dataset, column, label, keys, value, message
):
  rows = [{"a": value, "label": 0}]
  builder = dataset({"a": column, "label": label}, keys, rows)
  with pytest.raises(ValueError, match=message):
    opened(builder, LOG1P)


def test_log1p_of_numbers_and_not_of_categories(dataset):
  builder = dataset(
      {"a": NUMBER, "b": LABEL, "c": tfds.features.Scalar(np.uint8),
       "label": LABEL},
      ({"a": "a", "b": "b", "c": "c"}, "label"),
      [{"a": 99.0, "b": 1, "c": 7, "label": 0},
       {"a": -0.5, "b": 0, "c": 200, "label": 1}],
  )
  source = opened(builder, LOG1P)
  x, _ = rows_of(source)
  expected = np.log1p([[99, 0, 0, 7], [-0.5, 0, 0, 200]])
  expected[:, 1:3] = [[0, 1], [1, 0]]
  np.testing.assert_allclose(x, expected, rtol=1e-6)
  assert_statistics(source, x)
  assert opened(builder).read(0)["x"][0] == 99


@pytest.mark.parametrize("builder_class,columns,train,test", (
    (sklearn_tables.Wine, 13, (47, 56, 38), (12, 15, 10)),
    (sklearn_tables.BreastCancer, 30, (169, 285), (43, 72)),
))
def test_every_fifth_row_of_a_class_is_held_out(
    tmp_path, builder_class, columns, train, test
):
  builder = builder_class(data_dir=tmp_path, file_format="array_record")
  builder.download_and_prepare()
  for split, counts in (("train", train), ("test", test)):
    source = opened(builder, split=split)
    x, labels = rows_of(source)
    assert x.shape == (sum(counts), columns)
    assert collections.Counter(labels) == dict(enumerate(counts))
  assert len(source.class_names) == len(counts)


@pytest.mark.parametrize("name,columns,train,test,classes", (
    ("letter", 16, 16000, 4000, 26), ("spambase", 57, 3681, 920, 2),
    ("abalone", 10, 3133, 1044, 3),
))
def test_published_tables_are_read(name, columns, train, test, classes):
  if not (SHARED / name).is_dir():
    pytest.skip(f"{name} is not prepared here")
  builder = read_only_builder.builder_from_files(name, data_dir=SHARED)
  key = base.keys_of(builder)[0]
  assert tables.DOMAIN.recognises(builder.info.features, key)
  for split, size in (("train", train), ("test", test)):
    source = opened(builder, split=split)
    assert (source.size, source.num_classes) == (size, classes)
    assert source.read(0)["x"].shape == (columns,)
    assert len(source.mean) == len(source.std) == columns


def test_points_are_standardised_and_views_are_the_rows():
  x = np.random.default_rng(0).normal(3, 2, size=(50, 4)).astype(np.float32)
  x[:, 1] = 5
  points = tables.DOMAIN.points(jnp.asarray(x))
  np.testing.assert_allclose(points.mean(0), 0, atol=1e-12)
  np.testing.assert_allclose(points.std(0), (1, 0, 1, 1), atol=1e-12)
  for view in tables.DOMAIN.views(config_lib.default()).values():
    assert view(None, x) is x


def table_config(**changes):
  config = config_lib.default()
  config.data.update(name="wine", crop_padding=0, flip=False)
  config.update_from_flattened_dict(changes)
  return config


@pytest.mark.parametrize("key,value,way", (
    ("data.flip", True, "--config.data.flip=False"),
    ("data.crop_scale", (0.5, 1.0), r"--config.data.crop_scale='\(\)'"),
    ("data.auto_augment", "trivial", "--config.data.auto_augment="),
    ("data.channels", 3, "--config.data.channels=0"),
    ("data.test_resize", 3, "--config.data.test_resize=0"),
    ("unlabelled.split", "train", "--config.unlabelled.auto_augment= --config"),
))
def test_options_of_images_are_refused_by_name(key, value, way):
  tables.DOMAIN.check(table_config(), {})
  message = f"for images, and data.name='wine' is of kind 'table'; set {way}"
  with pytest.raises(ValueError, match=message):
    tables.DOMAIN.check(table_config(**{key: value}), {})


def test_the_defaults_of_images_are_refused_together():
  config = config_lib.default()
  with pytest.raises(ValueError, match="data.crop_padding, data.flip are for"):
    tables.DOMAIN.check(config, {})

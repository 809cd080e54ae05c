"""Sources and pipelines."""

import io
import time

import numpy as np
from PIL import Image
import pytest
import tensorflow_datasets as tfds

from dmjax.data import base
from dmjax.data import derived
from dmjax.data import pipelines
from dmjax.data import resident
from dmjax.data import sources
from dmjax.data import streaming


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
  directory = str(tmp_path_factory.mktemp("tfds"))
  return lambda split: sources.open_source("digits", split, directory)


@pytest.fixture
def folder(tmp_path):
  """root/train and root/test with two classes of three images."""
  rng = np.random.default_rng(0)
  for split in ("train", "test"):
    for name in ("cat", "dog"):
      (tmp_path / split / name).mkdir(parents=True)
      for i in range(3):
        pixels = rng.integers(256, size=(10, 14, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / split / name / f"{i}.png")
  return tmp_path


def test_every_fifth_digit_is_held_out(digits):
  assert (digits("train").size, digits("test").size) == (1437, 360)
  example = digits("train").read(0)
  image, label = example["x"], example["label"]
  assert image.shape == (8, 8, 1) and image.dtype == np.uint8
  assert 0 <= label < 10 and digits("train").class_names == tuple("0123456789")


def test_tfds_slices_are_understood(digits):
  assert digits("train[:100]").size == 100


def test_any_tfds_dataset_opens_through_its_data_source(tmp_path):
  class Blobs(tfds.core.GeneratorBasedBuilder):
    """Random images."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
      return self.dataset_info_from_configs(
          features=tfds.features.FeaturesDict({
              "picture": tfds.features.Image(shape=(6, 5, 3)),
              "kind": tfds.features.ClassLabel(names=["a", "b", "c"]),
          }),
          supervised_keys=("picture", "kind"),
      )

    def _split_generators(self, dl_manager):
      return {"train": self._generate_examples()}

    def _generate_examples(self):
      for i in range(9):
        png = io.BytesIO()
        Image.fromarray(np.full((6, 5, 3), i, np.uint8)).save(png, format="PNG")
        png.seek(0)
        yield i, {"picture": png, "kind": "abc"[i % 3]}

  Blobs(data_dir=tmp_path, file_format="array_record").download_and_prepare()
  split = sources.open_source("blobs", "train", str(tmp_path))
  assert split.class_names == ("a", "b", "c")
  for index in range(9):
    example = split.read(index)
    assert example["x"].shape == (6, 5, 3)
    assert example["label"] == example["x"][0, 0, 0] % 3


class Layers(tfds.core.GeneratorBasedBuilder):
  """One picture with alpha, and bytes that are no picture."""

  VERSION = tfds.core.Version("1.0.0")

  def _info(self):
    return self.dataset_info_from_configs(
        features=tfds.features.FeaturesDict({
            "image": tfds.features.Image(shape=(2, 2, 4)),
            "label": tfds.features.ClassLabel(names=["a", "b"]),
        }),
        supervised_keys=("image", "label"),
        disable_shuffling=True,
    )

  def _split_generators(self, dl_manager):
    return {"train": self._generate_examples()}

  def _generate_examples(self):
    png = io.BytesIO()
    Image.new("RGBA", (2, 2), (9, 9, 9, 0)).save(png, format="PNG")
    for i, content in enumerate((png.getvalue(), b"<html>")):
      yield i, {"image": io.BytesIO(content), "label": i}


def test_tfds_images_are_read_as_those_of_folders(tmp_path):
  Layers(data_dir=tmp_path, file_format="array_record").download_and_prepare()
  split = sources.open_source("layers", "train", str(tmp_path))
  x = split.read(0)["x"]
  assert x.shape == (2, 2, 3) and x.min() == 255
  with pytest.raises(ValueError, match="example 1 of 'layers', split 'train'"):
    resident.pipeline(split)
  assert resident.pipeline(split, skip_bad=True).size == 1


def test_a_folder_of_images_is_a_dataset(folder):
  split = sources.open_source(f"{folder}", "train")
  assert split.size == 6 and split.class_names == ("cat", "dog")
  assert [split.read(i)["label"] for i in range(6)] == [0, 0, 0, 1, 1, 1]
  with pytest.raises(ValueError, match="has no folder 'valid'"):
    sources.open_source(f"{folder}", "valid")


def test_a_dataset_that_is_not_prepared_fails_at_once_with_the_way_out(tmp_path):
  start = time.monotonic()
  with pytest.raises(ValueError) as error:
    sources.open_source("cifar100", "train", str(tmp_path))
  assert time.monotonic() - start < 5
  assert "is not prepared" in str(error.value)
  assert f"dmjax prepare cifar100 --data_dir {tmp_path}" in str(error.value)


def test_an_unknown_dataset_names_the_nearest(tmp_path):
  with pytest.raises(ValueError, match="did you mean.*'cifar100'"):
    sources.open_source("cifar1000", "train", str(tmp_path))


def test_an_unknown_split_names_the_nearest(digits):
  with pytest.raises(ValueError, match="no split 'tests'; did you mean 'test'"):
    digits("tests")


def split_of(images, labels, classes=3):
  read = lambda i: {"x": images[i], "label": int(labels[i])}
  return base.Source(read, len(images), tuple("abcdefgh"[:classes]))


def test_labels_out_of_range_are_refused():
  images = np.zeros((4, 8, 8, 3), np.uint8)
  with pytest.raises(ValueError, match=r"label of example 2 must lie in \[0, 3\)"):
    resident.pipeline(split_of(images, [0, 1, 3, 2]))


def test_images_of_different_sizes_need_image_size():
  images = [np.zeros((8, 8 + i, 3), np.uint8) for i in range(3)]
  split = split_of(images, [0, 1, 2])
  with pytest.raises(ValueError, match="data.image_size"):
    resident.pipeline(split)
  assert resident.pipeline(split, 6).example["x"].shape == (1, 6, 6, 3)


def numbered(size):
  """Images of 4 x 4 pixels whose grey level is their number."""
  images = np.arange(size, dtype=np.uint8).reshape(size, 1, 1, 1)
  return split_of(images * np.ones((1, 4, 4, 1), np.uint8), np.arange(size) % 3)


def numbers(pipeline, batch):
  """The numbers of the images in a batch, of which label and index tell too."""
  selected = pipeline.select(batch, pipeline.shared)
  assert selected["x"].dtype == np.float32
  found = np.round(255 * np.asarray(selected["x"][:, 0, 0, 0])).astype(int)
  np.testing.assert_array_equal(selected["label"], found % 3)
  np.testing.assert_array_equal(selected["index"], found)
  return list(found)


@pytest.mark.parametrize("make", (resident.pipeline, streaming.pipeline))
def test_an_epoch_shows_every_example_once_and_resumes(make):
  pipeline = make(numbered(12))
  stream = pipeline.batches(4, 7)
  seen, positions = [], []
  for _ in range(6):
    positions.append(stream.position())
    seen.append(numbers(pipeline, stream.next()))
  assert sorted(sum(seen[:3], [])) == list(range(12))
  assert sorted(sum(seen[3:], [])) == list(range(12))
  assert seen[:3] != seen[3:]
  for start in (1, 3, 5):
    again = pipeline.batches(4, 7, positions[start])
    found = [numbers(pipeline, again.next()) for _ in range(6 - start)]
    assert found == seen[start:]
  other = pipeline.batches(4, 8)
  assert [numbers(pipeline, other.next()) for _ in range(3)] != seen[:3]


def test_pixels_are_floats_from_zero_to_one_once_they_are_selected():
  images = np.array([0, 51, 255], np.uint8).reshape(3, 1, 1, 1)
  for make in (resident.pipeline, streaming.pipeline):
    pipeline = make(split_of(images, [0, 1, 2]))
    batch = pipeline.select(pipeline.rows(np.arange(3)), pipeline.shared)
    np.testing.assert_allclose(batch["x"].ravel(), [0, 0.2, 1], rtol=1e-6)
    assert {k: v.shape for k, v in pipeline.example.items()} == {
        "x": (1, 1, 1, 1), "label": (1,), "index": (1,)
    }
    assert pipeline.example["x"].dtype == batch["x"].dtype == np.float32


def test_what_rides_along_in_an_example_is_in_its_batch():
  source = numbered(6)
  source = source._replace(read=lambda i: {
      "x": np.zeros((2, 2, 1), np.uint8), "label": 0, "domain": np.int32(10 * i)
  })
  for make in (resident.pipeline, streaming.pipeline):
    pipeline = make(source)
    batch = pipeline.select(pipeline.batches(6, 0).next(), pipeline.shared)
    np.testing.assert_array_equal(batch["domain"], 10 * batch["index"])


def test_a_subset_holds_its_rows_in_their_order():
  part = derived.subset(numbered(12), [7, 3, 5])
  assert part.size == 3 and part.class_names == numbered(12).class_names
  assert [part.read(i)["x"][0, 0, 0] for i in range(3)] == [7, 3, 5]


def test_classes_that_do_not_fit_are_refused():
  one = split_of([], [], 1)
  with pytest.raises(ValueError, match=r"two classes or more, got \['a'\]"):
    base.check_classes(one, one)
  with pytest.raises(ValueError, match=r"data.train lacks: \['c'\]"):
    base.check_classes(split_of([], [], 2), split_of([], [], 3))
  with pytest.raises(ValueError, match="must list the same classes"):
    base.check_classes(split_of([], [], 3), split_of([], [], 2))
  base.check_classes(numbered(2), numbered(1))


@pytest.mark.parametrize("rows", ([], [12], [-1]))
def test_rows_that_a_source_does_not_have_are_refused(rows):
  with pytest.raises(ValueError, match=r"rows must be indices in \[0, 12\)"):
    derived.subset(numbered(12), rows)


def test_a_batch_larger_than_its_source_is_filled_by_several_shuffles():
  pipeline = resident.pipeline(numbered(5))
  stream = pipeline.batches(8, 0)
  first, second = (numbers(pipeline, stream.next()) for _ in range(2))
  assert sorted(first[:5]) == list(range(5)) and len(set(first[5:])) == 3
  again = pipeline.batches(8, 0, 1)
  assert numbers(pipeline, again.next()) == second != first


def both(ratio=2):
  return pipelines.together(
      {
          "labelled": resident.pipeline(derived.subset(numbered(12), range(4))),
          "unlabelled": streaming.pipeline(numbered(12)),
      },
      ratio,
  )


def of_both(pipeline, batch):
  """The numbers of the images in the two streams of a batch."""
  selected = pipeline.select(batch, pipeline.shared)
  return {
      name: list(np.round(255 * np.asarray(part["x"][:, 0, 0, 0])).astype(int))
      for name, part in selected.items()
  }


def test_streams_together_are_deterministic_and_resume():
  pipeline = both()
  stream, seen, positions = pipeline.batches(2, 3), [], []
  for _ in range(6):
    positions.append(stream.position())
    seen.append(of_both(pipeline, stream.next()))
  assert {k: len(v) for k, v in seen[0].items()} == {
      "labelled": 2, "unlabelled": 4
  }
  for start in (0, 2, 5):
    again = both().batches(2, 3, positions[start])
    found = [of_both(pipeline, again.next()) for _ in range(6 - start)]
    assert found == seen[start:]


def test_streams_together_are_shuffled_each_by_itself():
  pair = {k: resident.pipeline(numbered(12)) for k in ("labelled", "unlabelled")}
  pipeline = pipelines.together(pair)
  stream = pipeline.batches(6, 0)
  batches = [of_both(pipeline, stream.next()) for _ in range(2)]
  first, second = ([b[k] for b in batches] for k in pair)
  assert sorted(sum(first, [])) == sorted(sum(second, [])) == list(range(12))
  assert first != second


@pytest.mark.parametrize("make", (resident.pipeline, streaming.pipeline))
def test_two_processes_share_the_rows_of_every_stream(make, monkeypatch):
  parts = []
  for index in range(2):
    monkeypatch.setattr("jax.process_count", lambda: 2)
    monkeypatch.setattr("jax.process_index", lambda index=index: index)
    pipeline = pipelines.together({
        "labelled": make(numbered(12)), "unlabelled": make(numbered(12))
    }, 2)
    stream = pipeline.batches(2, 0)
    parts.append([of_both(pipeline, stream.next()) for _ in range(3)])
  for name, rows in (("labelled", 1), ("unlabelled", 2)):
    one, two = ([batch[name] for batch in part] for part in parts)
    assert [len(batch) for batch in one + two] == [rows] * 6
    assert not set(sum(one, [])) & set(sum(two, []))


@pytest.mark.parametrize(
    "pair,ratio,message",
    (({}, 1, "at least one pipeline"), ({"a": None}, 0, "ratio must be >= 1, got 0")),
)
def test_streams_that_make_no_batch_are_refused(pair, ratio, message):
  with pytest.raises(ValueError, match=message):
    pipelines.together(pair, ratio)

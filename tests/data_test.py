"""Sources, pipelines and device-side augmentation."""

import io
import time

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image
import pytest
import tensorflow_datasets as tfds

from dmjax.data import augment
from dmjax.data import resident
from dmjax.data import sources
from dmjax.data import streaming


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
  directory = str(tmp_path_factory.mktemp("tfds"))
  return lambda split: sources.open_split("digits", split, directory)


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
  image, label = digits("train").read(0)
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
  split = sources.open_split("blobs", "train", str(tmp_path))
  assert split.class_names == ("a", "b", "c")
  for index in range(9):
    image, label = split.read(index)
    assert image.shape == (6, 5, 3) and label == image[0, 0, 0] % 3


def test_a_folder_of_images_is_a_dataset(folder):
  split = sources.open_split(f"{folder}", "train")
  assert split.size == 6 and split.class_names == ("cat", "dog")
  assert [split.read(i)[1] for i in range(6)] == [0, 0, 0, 1, 1, 1]
  with pytest.raises(ValueError, match="has no folder 'valid'"):
    sources.open_split(f"{folder}", "valid")


def test_a_dataset_that_is_not_prepared_fails_at_once_with_the_way_out(tmp_path):
  start = time.monotonic()
  with pytest.raises(ValueError) as error:
    sources.open_split("cifar100", "train", str(tmp_path))
  assert time.monotonic() - start < 5
  assert "is not prepared" in str(error.value)
  assert f"dmjax prepare cifar100 --data_dir {tmp_path}" in str(error.value)


def test_an_unknown_dataset_names_the_nearest(tmp_path):
  with pytest.raises(ValueError, match="did you mean.*'cifar100'"):
    sources.open_split("cifar1000", "train", str(tmp_path))


def test_an_unknown_split_names_the_nearest(digits):
  with pytest.raises(ValueError, match="no split 'tests'; did you mean 'test'"):
    digits("tests")


def split_of(images, labels, classes=3):
  read = lambda i: (images[i], int(labels[i]))
  return sources.Split(read, len(images), tuple("abcdefgh"[:classes]))


def test_labels_out_of_range_are_refused():
  images = np.zeros((4, 8, 8, 3), np.uint8)
  with pytest.raises(ValueError, match=r"label of example 2 must lie in \[0, 3\)"):
    resident.pipeline(split_of(images, [0, 1, 3, 2]))


def test_images_of_different_sizes_need_image_size():
  images = [np.zeros((8, 8 + i, 3), np.uint8) for i in range(3)]
  split = split_of(images, [0, 1, 2])
  with pytest.raises(ValueError, match="data.image_size"):
    resident.pipeline(split)
  assert resident.pipeline(split, 6).image_shape == (6, 6, 3)


@pytest.mark.parametrize("make", (resident.pipeline, streaming.pipeline))
def test_an_epoch_shows_every_example_once_and_resumes(make):
  images = np.arange(12, dtype=np.uint8).reshape(12, 1, 1, 1) * np.ones(
      (1, 4, 4, 1), np.uint8
  )
  pipeline = make(split_of(images, np.arange(12) % 3))

  def pixels(batch):
    selected = pipeline.select(batch, pipeline.shared)
    np.testing.assert_array_equal(
        selected["label"], selected["image"][:, 0, 0, 0] % 3
    )
    return list(np.asarray(selected["image"][:, 0, 0, 0]))

  stream = pipeline.batches(4, 7)
  seen, positions = [], []
  for _ in range(6):
    positions.append(stream.position())
    seen.append(pixels(stream.next()))
  assert sorted(sum(seen[:3], [])) == list(range(12))
  assert sorted(sum(seen[3:], [])) == list(range(12))
  assert seen[:3] != seen[3:]
  for start in (1, 3, 5):
    again = pipeline.batches(4, 7, positions[start])
    assert [pixels(again.next()) for _ in range(6 - start)] == seen[start:]
  other = pipeline.batches(4, 8)
  assert [pixels(other.next()) for _ in range(3)] != seen[:3]


def test_a_crop_is_a_window_of_the_padded_image():
  images = jax.random.uniform(jax.random.key(0), (5, 6, 7, 2))
  cropped = augment.random_crop(jax.random.key(1), images, padding=2)
  padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect")
  for image, original in zip(cropped, padded):
    windows = [original[i : i + 6, j : j + 7] for i in range(5) for j in range(5)]
    assert any(np.array_equal(image, window) for window in windows)


def test_crops_differ_between_images_and_cover_the_padding():
  images = jnp.tile(jnp.arange(8.0).reshape(1, 8, 1, 1), (200, 1, 8, 1))
  cropped = augment.random_crop(
      jax.random.key(0), images, padding=2, mode="constant"
  )
  assert set(np.unique(cropped[:, 4, 4, 0])) == {2.0, 3.0, 4.0, 5.0, 6.0}


def test_half_of_the_images_are_flipped():
  images = jnp.tile(jnp.arange(4.0).reshape(1, 1, 4, 1), (1000, 2, 1, 1))
  flipped = augment.random_flip(jax.random.key(0), images)
  first = np.asarray(flipped[:, 0, 0, 0])
  assert set(first) == {0.0, 3.0} and 0.4 < np.mean(first == 3) < 0.6


def test_normalised_images_have_the_stated_statistics():
  images = jnp.array([[[[0, 255, 51]]]], jnp.uint8)
  out = augment.normalize(images, (0.0, 0.5, 0.2), (1.0, 0.5, 0.1))
  np.testing.assert_allclose(out[0, 0, 0], [0.0, 1.0, 0.0], atol=1e-6)

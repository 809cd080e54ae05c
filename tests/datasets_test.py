"""Facts about datasets, and the builders of those TFDS does not have."""

import importlib
import io
import shutil

import numpy as np
from PIL import Image
import pytest
import tensorflow_datasets as tfds

from dmjax import recipes
from dmjax.data import fgvc_aircraft
from dmjax.data import sources
from dmjax.data import tiny_imagenet

WNIDS = ("n02124075", "n01443537")


def jpeg(grey, size=(64, 64)):
  """A JPEG file of one grey value."""
  file = io.BytesIO()
  Image.new("RGB", size, (grey,) * 3).save(file, format="JPEG")
  return file.getvalue()


@pytest.fixture
def miniature(tmp_path):
  """The published layout with two classes, three and two images each."""
  root = tmp_path / tiny_imagenet.FOLDER
  (root / "val" / "images").mkdir(parents=True)
  (root / "wnids.txt").write_text("\n".join(WNIDS) + "\n")
  rows = []
  for label, name in enumerate(WNIDS):
    images = root / "train" / name / "images"
    images.mkdir(parents=True)
    for i in range(3):
      (images / f"{name}_{i}.JPEG").write_bytes(jpeg(100 * label + i))
    for i in range(2):
      file = f"val_{2 * i + label}.JPEG"
      (root / "val" / "images" / file).write_bytes(jpeg(50 + 100 * label))
      rows.append(f"{file}\t{name}\t0\t0\t63\t63")
  (root / "val" / "val_annotations.txt").write_text("\n".join(rows) + "\n")
  return tmp_path


def pairs(source, rows):
  """Images and labels of some examples."""
  return [(example["x"], example["label"]) for example in map(source.read, rows)]


def prepare(builder_class, manual, out):
  config = tfds.download.DownloadConfig(manual_dir=manual)
  # The miniature has fewer classes than the builder's labels.
  builder = builder_class(data_dir=out, file_format="array_record")
  builder.download_and_prepare(download_config=config)


@pytest.fixture
def few_classes(monkeypatch):
  """Lets ClassLabel take the names of a miniature."""
  label = tfds.features.ClassLabel
  monkeypatch.setattr(
      tfds.features, "ClassLabel", lambda num_classes: label(num_classes=2)
  )


@pytest.mark.parametrize("zipped", (False, True))
def test_tiny_imagenet_is_read_from_its_published_layout(
    miniature, tmp_path_factory, few_classes, zipped
):
  if zipped:
    folder = tiny_imagenet.FOLDER
    archive = miniature / folder
    shutil.make_archive(str(archive), "zip", miniature, folder)
    shutil.rmtree(miniature / folder)
  out = tmp_path_factory.mktemp("tfds")
  prepare(tiny_imagenet.TinyImagenet, miniature, out)
  train = sources.open_source("tiny_imagenet", "train", str(out))
  test = sources.open_source("tiny_imagenet", "validation", str(out))
  assert train.class_names == WNIDS and (train.size, test.size) == (6, 4)
  greys = []
  for image, label in pairs(train, range(6)):
    assert image.shape == (64, 64, 3)
    assert label == image[0, 0, 0] // 100
    greys.append(int(image[0, 0, 0]))
  assert sorted(greys) == [0, 1, 2, 100, 101, 102]
  for image, label in pairs(test, range(4)):
    assert abs(int(image[0, 0, 0]) - 50 - 100 * label) <= 1


def test_an_archive_that_is_not_there_is_named(tmp_path):
  with pytest.raises(ValueError, match="tiny-imagenet-200.zip"):
    prepare(tiny_imagenet.TinyImagenet, tmp_path, tmp_path / "out")


def test_aircraft_is_read_from_its_published_layout(tmp_path, few_classes):
  data = tmp_path / fgvc_aircraft.FOLDER / "data"
  (data / "images").mkdir(parents=True)
  (data / "variants.txt").write_text("707-320\nA300 B4\n")
  for number, grey in (("0034309", 10), ("0034958", 200), ("1037511", 30)):
    (data / "images" / f"{number}.jpg").write_bytes(jpeg(grey, (90, 60)))
  (data / "images_variant_trainval.txt").write_text(
      "0034309 707-320\n0034958 A300 B4\n"
  )
  (data / "images_variant_test.txt").write_text("1037511 A300 B4\n")
  prepare(fgvc_aircraft.FgvcAircraft, tmp_path, tmp_path / "out")
  train = sources.open_source("fgvc_aircraft", "train", str(tmp_path / "out"))
  assert train.class_names == ("707-320", "A300 B4")
  seen = {label: image[0, 0, 0] for image, label in pairs(train, (0, 1))}
  assert seen == {0: 10, 1: 200}
  test = sources.open_source("fgvc_aircraft", "test", str(tmp_path / "out"))
  assert test.size == 1 and test.read(0)["label"] == 1
  assert test.read(0)["x"].shape == (60, 90, 3)


# PACS is a folder of images.
@pytest.mark.parametrize(
    "name", [name for name in recipes.DATASETS if name != "pacs"]
)
def test_every_dataset_has_a_builder(name):
  builder = importlib.import_module(f"dmjax.configs.{name}").SUITE.data["name"]
  ours = {**sources.BUILDERS, **sources.DRAWN}
  assert builder in ours or builder in tfds.list_builders(
      with_community_datasets=False
  )


def data_of(name):
  """The facts about a dataset that its recipes share."""
  return importlib.import_module(f"dmjax.configs.{name}").DATA


def test_digits_have_the_stated_statistics(tmp_path):
  facts = data_of("digits")
  split = sources.open_source("digits", facts["train"], str(tmp_path))
  pixels = np.stack([split.read(i)["x"] for i in range(split.size)]) / 255
  assert pixels.shape == (1437, 8, 8, 1)
  np.testing.assert_allclose(pixels.mean(), facts["mean"][0], atol=2e-4)
  np.testing.assert_allclose(pixels.std(), facts["std"][0], atol=2e-4)


def test_mock_examples_are_the_same_at_every_reading():
  split = sources.open_source("mock", "train")
  for index in (0, split.size - 1):
    (image, label), (again, _) = pairs(split, (index, index))
    np.testing.assert_array_equal(image, again)
    assert image.dtype == np.uint8 and label < len(split.class_names)
  with pytest.raises(ValueError, match="no split 'valid'"):
    sources.open_source("mock", "valid")

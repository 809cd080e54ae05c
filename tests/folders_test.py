"""Folders of images as people have them."""

import logging

import numpy as np
from PIL import Image
import pytest

from dmjax import config as config_lib
from dmjax.data import base
from dmjax.data import pipelines
from dmjax.data import sources

SPLITS, CLASSES = ("train", "test"), ("cat", "dog")
RED = (200, 40, 10)


def picture(colour=RED, size=(6, 4)):
  return Image.new("L" if isinstance(colour, int) else "RGB", size, colour)


def save(image, path, **options):
  path.parent.mkdir(parents=True, exist_ok=True)
  image.save(path, **options)


@pytest.fixture
def root(tmp_path):
  """root/train and root/test with two classes of three images."""
  for split in SPLITS:
    for name in CLASSES:
      for i in range(3):
        save(picture((60 * i, 9, 9)), tmp_path / split / name / f"{i}.png")
  return tmp_path


def open_split(root, split="train"):
  return sources.open_source(f"{root}", split)


def data(root, **options):
  section = config_lib.default().data
  section.update(name=f"{root}", **options)
  return section


def pipeline(root, split="train", **options):
  section = data(root, **options)
  return pipelines.open_pipeline(section, open_split(root, split), split)


def indices(pipeline_, batches=6):
  stream = pipeline_.batches(2, 0)
  found = [pipeline_.select(stream.next(), pipeline_.shared)["index"]
           for _ in range(batches)]
  return np.concatenate(found)


def damage(folder):
  """Four files that are no images; their paths."""
  save(picture(size=(90, 90)), folder / "long.jpg")
  whole = (folder / "long.jpg").read_bytes()
  contents = {
      "._0.png": b"\x00\x05\x16\x07", "empty.png": b"", "long.jpg": whole[:400],
      "page.jpg": b"<!DOCTYPE html><html></html>",
  }
  for name, content in contents.items():
    (folder / name).write_bytes(content)
  return [str(folder / name) for name in contents]


@pytest.mark.parametrize("folder", (
    ".ipynb_checkpoints", "__MACOSX", "test", "empty", "texts/deep",
))
def test_a_folder_without_images_of_its_own_is_no_class(root, folder):
  path = root / "train" / folder
  path.mkdir(parents=True)
  if folder == "texts/deep":
    (path / "notes.txt").write_text("no image")
  elif folder != "empty":
    save(picture(), path / "cat" / "0.png")
    save(picture(), path / "0.png")
  for split in SPLITS:
    source = open_split(root, split)
    assert source.class_names == CLASSES and source.size == 6
  # One folder is no class of the other split either.
  assert base.check_classes(open_split(root), open_split(root, "test")) is None


def test_folders_beside_the_splits_give_no_classes(root):
  save(picture(), root / "runs" / "first" / "mixed.png")
  save(picture(), root / "cat" / "0.png")
  (root / "README.txt").write_text("cats and dogs")
  assert open_split(root).class_names == CLASSES


def test_a_class_that_test_lacks_counts_in_both_splits(root):
  save(picture(), root / "train" / "bird" / "0.png")
  train, test = (open_split(root, split) for split in SPLITS)
  assert train.class_names == test.class_names == ("bird", *CLASSES)
  assert [test.read(i)["label"] for i in range(6)] == [1, 1, 1, 2, 2, 2]
  assert test.present == CLASSES
  base.check_classes(train, test)


def test_a_class_that_training_lacks_is_refused(root):
  save(picture(), root / "test" / "bird" / "0.png")
  train, test = (open_split(root, split) for split in SPLITS)
  with pytest.raises(ValueError, match=r"data.train lacks: \['bird'\]"):
    base.check_classes(train, test)


def test_splits_without_a_class_in_common_are_refused(root):
  save(picture(), root / "birds" / "crow" / "0.png")
  save(picture(), root / "birds" / "duck" / "0.png")
  with pytest.raises(ValueError, match=r"lacks: \['crow', 'duck'\]"):
    base.check_classes(open_split(root), open_split(root, "birds"))


def test_one_class_is_refused(root):
  for split in SPLITS:
    (root / split / "cat").rename(root / split / ".cat")
  with pytest.raises(ValueError, match=r"one class only, \['dog'\]"):
    open_split(root)


def test_images_in_folders_of_a_class_are_read_and_other_files_are_not(root):
  folder = root / "train" / "dog"
  save(picture((1, 2, 3)), folder / "night" / "far" / "0.png")
  save(picture((9, 9, 9)), folder / ".hidden" / "0.png")
  (folder / "labels.csv").write_text("0,dog")
  (folder / ".DS_Store").write_bytes(b"\0")
  source = open_split(root)
  assert source.size == 7 and source.read(6)["label"] == 1
  assert tuple(source.read(6)["x"][0, 0]) == (1, 2, 3)


@pytest.mark.parametrize("suffix", (
    "PNG", "jpg", "jpeg", "webp", "bmp", "tif", "tiff", "gif", "ppm"
))
def test_the_usual_formats_are_read(root, suffix):
  save(picture(), root / "train" / "dog" / f"z.{suffix}")
  x = open_split(root).read(6)["x"]
  assert x.shape == (4, 6, 3) and x.dtype == np.uint8
  np.testing.assert_allclose(x[1, 1], RED, atol=9)


@pytest.mark.parametrize("kind", ("resident", "streaming"))
def test_grey_beside_rgb_becomes_rgb_in_every_split(root, kind):
  save(picture(70), root / "train" / "cat" / "!grey.png")
  for name in CLASSES:
    for i in range(3):
      save(picture(20), root / "test" / name / f"{i}.png")
  for split in SPLITS:
    batches = pipeline(root, split, pipeline=kind)
    first = batches.select(batches.rows(np.arange(1)), batches.shared)["x"]
    assert first.shape == batches.example["x"].shape == (1, 4, 6, 3)
    assert np.unique(first).size == 1
  example = pipelines.example(data(root), open_split(root))
  assert example["x"].shape == (1, 4, 6, 3)


def test_grey_alone_stays_grey(root):
  for path in root.glob("*/*/*.png"):
    save(picture(70), path)
  assert open_split(root).read(0)["x"].shape == (4, 6, 1)


@pytest.mark.parametrize("kind", ("resident", "streaming"))
@pytest.mark.parametrize("channels", (1, 3))
def test_channels_are_those_asked_for(root, kind, channels):
  save(picture(70), root / "train" / "cat" / "0.png")
  options = {"pipeline": kind, "channels": channels}
  batches = pipeline(root, **options)
  x = batches.select(batches.rows(np.arange(2)), batches.shared)["x"] * 255
  assert x.shape == (2, 4, 6, channels)
  example = pipelines.example(data(root, **options), open_split(root))
  assert example["x"].shape == batches.example["x"].shape
  np.testing.assert_allclose(x[0], 70, rtol=1e-6)
  grey = np.round(0.299 * 60 + 0.587 * 9 + 0.114 * 9)
  expected = [grey] if channels == 1 else [60, 9, 9]
  np.testing.assert_allclose(x[1, 0, 0], expected, rtol=1e-6)


@pytest.mark.parametrize("kind", ("resident", "streaming"))
def test_channels_that_differ_in_a_source_name_the_key(kind):
  images = [np.zeros((4, 4, c), np.uint8) for c in (1, 1, 3, 1)]
  source = base.Source(lambda i: {"x": images[i], "label": 0}, 4, CLASSES)
  section = data("x", pipeline=kind)
  with pytest.raises(ValueError, match="example 2 has 3 .*data.channels=3"):
    pipelines.open_pipeline(section, source, "train").batches(4, 0).next()


def test_all_that_cannot_be_read_is_named_before_training(root):
  bad = damage(root / "train" / "dog")
  with pytest.raises(ValueError) as error:
    pipeline(root, image_size=4)
  message = str(error.value)
  assert all(path in message for path in bad)
  assert "4 of the examples" in message and "data.skip_bad=true" in message
  assert "empty.png: the file is empty" in message
  assert "page.jpg: not an image" in message


def test_what_cannot_be_read_is_left_out_on_demand_and_said_once(root, caplog):
  damage(root / "train" / "dog")
  with caplog.at_level(logging.WARNING):
    batches = pipeline(root, image_size=4, skip_bad=True)
  assert batches.size == 6
  # Files are sorted: the ._ file comes first, those with letters last.
  assert sorted(indices(batches, 3)) == [0, 1, 2, 4, 5, 6]
  (line,) = caplog.messages
  assert "4 of 10 examples" in line and "._0.png" in line
  assert line.endswith(", ...")


def test_nothing_that_can_be_read_is_refused_in_any_case(root):
  for path in root.glob("train/*/*.png"):
    path.write_bytes(b"")
  for kind in ("resident", "streaming"):
    with pytest.raises(ValueError, match="6 of the examples cannot be read"):
      pipeline(root, pipeline=kind, skip_bad=True)
  with pytest.raises(ValueError, match="6 of the examples cannot be read"):
    pipelines.example(data(root), open_split(root))


@pytest.mark.parametrize("workers", (0, 1))
def test_streaming_names_what_cannot_be_read_when_it_meets_it(root, workers):
  bad = root / "train" / "dog" / "0.png"
  bad.write_bytes(bad.read_bytes()[:45])
  with pytest.raises(ValueError, match=r"dog/0\.png: .*\n.*data.skip_bad"):
    indices(pipeline(root, pipeline="streaming", workers=workers))


def test_streaming_reads_the_next_in_place_of_what_cannot_be_read(root, caplog):
  options = {"pipeline": "streaming", "image_size": 4, "skip_bad": True}
  for name in ("0", "1"):
    (root / "train" / "dog" / f"{name}.png").write_bytes(b"")
  with caplog.at_level(logging.WARNING):
    batches = pipeline(root, **options)
    stream, seen, positions = batches.batches(2, 0), [], []
    for _ in range(6):
      positions.append(stream.position())
      seen.append(stream.next())
  reds = {
      int(i): int(x[0, 0, 0]) for batch in seen
      for i, x in zip(batch["index"], batch["x"])
  }
  assert reds == {0: 0, 1: 60, 2: 120, 3: 120, 4: 120, 5: 120}
  (line,) = caplog.messages
  assert "so far" in line and "dog/" in line
  for start in (1, 4):
    again = pipeline(root, **options).batches(2, 0, positions[start])
    for expected in seen[start:]:
      batch = again.next()
      np.testing.assert_array_equal(batch["x"], expected["x"])
      np.testing.assert_array_equal(batch["label"], expected["label"])


@pytest.mark.parametrize("kind", ("resident", "streaming"))
def test_the_example_of_a_run_is_the_first_that_can_be_read(root, kind, caplog):
  """What is wrong with the others is said when the split is read."""
  damage(root / "train" / "cat")
  section = data(root, pipeline=kind)
  assert pipelines.example(section, open_split(root))["x"].shape == (1, 4, 6, 3)
  assert not caplog.messages


def test_a_dangling_link_is_named(root):
  (root / "train" / "cat" / "link.png").symlink_to(root / "nowhere.png")
  with pytest.raises(ValueError, match=r"link\.png: No such file"):
    pipeline(root)

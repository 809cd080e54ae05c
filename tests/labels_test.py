"""Labelled subsets: how many of each class, which, and how they are read."""

import numpy as np
from PIL import Image
import pytest

from dmjax.data import base
from dmjax.data import derived
from dmjax.data import labels
from dmjax.data import sources

CLASSES = ("ant", "bee", "cow")
# Classes of 20, 7 and 10 examples, in no order.
GIVEN = np.random.default_rng(0).permutation([0] * 20 + [1] * 7 + [2] * 10)


def source(given=GIVEN, reads=None, **options):
  """Blank images with these labels; `reads` notes which are decoded."""

  def read(index):
    if reads is not None:
      reads.append(int(index))
    return {"x": np.zeros((2, 2, 1), np.uint8), "label": int(given[index])}

  return base.Source(read, len(given), CLASSES, **options)


def counts(rows):
  return np.bincount(GIVEN[rows], minlength=len(CLASSES)).tolist()


@pytest.mark.parametrize(
    "share,expected",
    (
        ("4 per class", [4, 4, 4]), ("7 per class", [7, 7, 7]),
        ("100 %", [20, 7, 10]), ("50%", [10, 4, 5]), ("24 %", [5, 2, 2]),
        ("0.5 %", [1, 1, 1]),
    ),
)
def test_each_class_has_the_labels_asked_for(share, expected):
  rows = labels.draw(source(), share, 0)
  assert counts(rows) == expected
  assert (np.diff(rows) > 0).all()  # Ascending, none twice.


def test_the_seed_draws_the_rows():
  draws = [labels.draw(source(), "4 per class", seed) for seed in (0, 0, 1)]
  np.testing.assert_array_equal(draws[0], draws[1])
  assert set(draws[0]) != set(draws[2])


def test_every_example_of_a_class_is_as_likely():
  draws = [labels.draw(source(), "4 per class", s) for s in range(300)]
  often = np.bincount(np.concatenate(draws), minlength=GIVEN.size) / 300
  expected = 4 / np.array([20, 7, 10])[GIVEN]
  np.testing.assert_allclose(often, expected, atol=0.12)


@pytest.mark.parametrize(
    "share",
    (
        "foo", "4", "4 per", "0 per class", "1.5 per class", "-1 %", "0 %",
        "101 %", "4 per class of", "",
    ),
)
def test_what_is_no_share_is_named(share):
  message = f"data.labels must be a share such as .*got {share!r}"
  with pytest.raises(ValueError, match=message):
    labels.draw(source(), share, 0)


def test_more_labels_than_a_class_has_are_refused_with_its_name():
  with pytest.raises(ValueError, match="'8 per class'.*'bee' has 7 examples"):
    labels.draw(source(), "8 per class", 0)


def test_images_are_not_decoded_where_labels_can_be_read_alone():
  reads = []
  quick = source(reads=reads, label=lambda index: int(GIVEN[index]))
  np.testing.assert_array_equal(labels.read_all(quick), GIVEN)
  assert not reads
  np.testing.assert_array_equal(labels.read_all(source(reads=reads)), GIVEN)
  assert sorted(reads) == list(range(GIVEN.size))


def test_a_subset_has_its_own_labels():
  rows = [5, 3, 30]
  part = derived.subset(source(label=lambda index: int(GIVEN[index])), rows)
  assert [part.label(i) for i in range(3)] == GIVEN[rows].tolist()
  assert [part.read(i)["label"] for i in range(3)] == GIVEN[rows].tolist()
  assert derived.subset(source(), rows).label is None


def test_an_unlabelled_source_has_no_labels():
  bare = derived.unlabelled(source(label=lambda index: int(GIVEN[index])))
  assert bare.label is None and bare.size == GIVEN.size
  assert {bare.read(i)["label"] for i in range(bare.size)} == {0}


def test_datasets_give_the_labels_of_their_examples():
  digits = sources.open_source("digits", "train[:150]")
  whole = [digits.read(i)["label"] for i in range(digits.size)]
  np.testing.assert_array_equal(labels.read_all(digits), whole)


def test_folders_give_labels_without_opening_images(tmp_path):
  for name, count in (("bee", 3), ("ant", 2)):
    folder = tmp_path / "train" / name
    folder.mkdir(parents=True)
    for i in range(count):
      Image.new("RGB", (4, 4)).save(folder / f"{i}.png")
  opened = sources.open_source(str(tmp_path), "train")
  whole = [opened.read(i)["label"] for i in range(opened.size)]
  for path in tmp_path.rglob("*.png"):
    path.write_bytes(b"damaged")
  assert labels.read_all(opened).tolist() == whole == [0, 0, 1, 1, 1]

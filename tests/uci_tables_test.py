"""Files of UCI: rows made up here become the tables that the recipes name."""

import numpy as np
import pytest

from dmjax.data import sources
from dmjax.data import uci_tables
from tests import datasets_test

MAIL = [[0.5] * 54 + [number + 0.25, 3, 9, number % 2] for number in range(10)]
ABALONE = ["M,0.455,0.365,0.095,0.514,0.2245,0.101,0.15,8",
           "F,0.53,0.42,0.135,0.677,0.2565,0.1415,0.21,9",
           "I,0.33,0.255,0.08,0.205,0.0895,0.0395,0.055,11"]


def write(folder, builder, lines):
  (folder / builder.FILE).write_text("".join(line + "\n" for line in lines))


def opened(tmp_path, builder, name, lines):
  write(tmp_path, builder, lines)
  datasets_test.prepare(builder, tmp_path, tmp_path / "out")
  return [sources.open_source(name, split, str(tmp_path / "out"))
          for split in ("train", "test")]


def test_every_fifth_mail_is_one_of_the_test(tmp_path):
  lines = [",".join(map(str, row)) for row in MAIL]
  train, test = opened(tmp_path, uci_tables.Spambase, "spambase", lines)
  assert train.class_names == ("not_spam", "spam")
  for source, numbers in ((train, {0, 1, 2, 3, 5, 6, 7, 8}), (test, {4, 9})):
    rows = [source.read(row) for row in range(source.size)]
    assert {int(row["x"][54]) for row in rows} == numbers
    assert all(row["label"] == int(row["x"][54]) % 2 for row in rows)
    assert all(row["x"].shape == (57,) for row in rows)


def test_rings_of_abalone_become_three_classes_and_sexes_three_columns(
    tmp_path, monkeypatch
):
  monkeypatch.setattr(uci_tables.Abalone, "_is_test", lambda _, row: row == 2)
  train, test = opened(tmp_path, uci_tables.Abalone, "abalone", ABALONE)
  assert train.class_names == ("1-8", "9-10", "11-29")
  rows = [source.read(i) for source in (train, test) for i in range(source.size)]
  assert sorted(row["label"] for row in rows) == [0, 1, 2]
  assert all(row["x"].shape == (10,) for row in rows)  # Without the rings.
  assert all(row["x"].sum() < 4 for row in rows)


def test_letters_have_their_documented_split(tmp_path):
  builder = uci_tables.Letter(data_dir=tmp_path)
  assert [builder._is_test(row) for row in (0, 15_999, 16_000)] == [0, 0, 1]
  example = builder._example(["T", *map(str, range(16))])
  np.testing.assert_array_equal(example["features"], np.arange(16))
  assert builder.info.features["label"].encode_example(example["label"]) == 19
  abalone = uci_tables.Abalone(data_dir=tmp_path)
  assert [abalone._is_test(row) for row in (3_132, 3_133)] == [0, 1]


@pytest.mark.parametrize(("rings", "label"), ((1, 0), (8, 0), (9, 1), (10, 1), (11, 2)))
def test_the_classes_of_age_end_at_8_and_10_rings(tmp_path, rings, label):
  row = [*ABALONE[0].split(",")[:-1], str(rings)]
  assert uci_tables.Abalone(data_dir=tmp_path)._example(row)["label"] == label


def test_a_file_that_is_not_there_or_not_whole_is_named(tmp_path):
  with pytest.raises(ValueError, match="letter-recognition.data"):
    datasets_test.prepare(uci_tables.Letter, tmp_path, tmp_path / "out")
  write(tmp_path, uci_tables.Letter, ["T,2,8"])
  with pytest.raises(ValueError, match="row 1 must have 17 columns, got 3"):
    datasets_test.prepare(uci_tables.Letter, tmp_path, tmp_path / "out")

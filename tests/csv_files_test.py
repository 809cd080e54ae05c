"""Tables of one's own: folders of csv files."""

import numpy as np
import pytest

from dmjax.data import base
from dmjax.data import derived
from dmjax.data import examples
from dmjax.data import tables

PLAIN, LOG1P = {}, {"train": "train", "table": {"log1p": True}}

TRAIN = """\
height,colour,label
1.5,red,10
-2,blue,9
4,red,10
"""
TEST = """\
colour,label,height
green,9,7e0
"""


@pytest.fixture
def folder(tmp_path):
  """A folder with train.csv and test.csv."""
  return written(tmp_path, TRAIN, TEST)


def written(path, train, test=None):
  (path / "train.csv").write_text(train, encoding="utf-8")
  if test is not None:
    (path / "test.csv").write_text(test, encoding="utf-8")
  return path


def open_file(folder, split="train", data=PLAIN):
  return tables.DOMAIN.open_folder(folder, split, data)


def rows_of(source):
  """All of a source, as a pipeline reads it."""
  found = examples.stack([examples.read(source, i) for i in range(source.size)])
  assert found["x"].dtype == np.float32
  return found["x"], found["label"]


def test_a_subset_keeps_the_statistics(folder):
  source = open_file(folder)
  few = derived.subset(source, [2])
  assert (few.mean, few.std) == (source.mean, source.std) and few.size == 1
  assert few.read(0)["x"][0] == 4


def test_csv_files_agree_about_columns_categories_and_classes(folder):
  train, test = open_file(folder), open_file(folder, "test")
  x, labels = rows_of(train)
  # Height, blue, green, red; 9 comes before 10.
  expected = np.float32([[1.5, 0, 0, 1], [-2, 1, 0, 0], [4, 0, 0, 1]])
  np.testing.assert_array_equal(x, expected)
  np.testing.assert_array_equal(labels, [1, 0, 1])
  np.testing.assert_array_equal(rows_of(test)[0], [[7, 0, 1, 0]])
  assert train.class_names == test.class_names == ("9", "10")
  assert (train.present, test.present) == (("9", "10"), ("9",))
  base.check_classes(train, test)
  np.testing.assert_allclose(train.mean, x.mean(0), rtol=1e-6)
  np.testing.assert_allclose(train.std, [*x.std(0)[:2], 1, x.std(0)[3]])


def test_csv_files_are_read_as_spreadsheets_write_them(tmp_path):
  text = '\ufeff"a", b ,label\r\n1, "x, y",yes\r\n\r\n2,"z\n",no\r\n'
  x, labels = rows_of(open_file(written(tmp_path, text)))
  np.testing.assert_array_equal(x, [[1, 1, 0], [2, 0, 1]])
  np.testing.assert_array_equal(labels, [1, 0])


def test_the_training_file_says_what_a_column_is(tmp_path):
  text = "a,label\n1,0\n2,1\n"
  written(tmp_path, text.replace("1,", "one,").replace("2,", "two,"), text)
  source = open_file(tmp_path, "test", {"train": "test"})
  np.testing.assert_array_equal(rows_of(source)[0], [[1], [2]])
  with pytest.raises(ValueError, match="test.csv, line 2.*number among words"):
    open_file(tmp_path, "test")


@pytest.mark.parametrize("train,message", (
    ("", "train.csv holds nothing"),
    ("a,label\n", "holds a header alone"),
    ("a,a,label\n1,2,x\n", r"line 1: columns.*twice: \['a'\]"),
    ("a,class\n1,x\n", "line 1: there must be a column 'label'"),
    ("a;label\n1;x\n", "line 1: there must be a column 'label'"),
    (",a,label\n0,1,x\n", "line 1: column 1 has no name"),
    ("label\nx\n", "beside 'label', got none"),
    ("a,label\n1,x\n1,2,y\n", "line 3 has 3 cells, the header 2"),
    ("a,label\n1,x\n ,y\n", "line 3, column 'a': '' is a missing value; fill"),
    ("a,label\nNaN,x\n1,y\n", "line 2, column 'a': 'NaN' is a missing"),
    ("a,label\n1,x\n-inf,y\n", "line 3, column 'a': '-inf' is a missing"),
    ("a,label\n1,x\n1,\n", "line 3, column 'label': '' is a missing"),
    ("a,label\n1,x\n1e39,y\n", r"line 3, column 'a': 1e\+39 is no finite"),
    ("a,label\n?,x\n1,y\n2,y\n", "line 2, column 'a': '[?]' is no number"),
    ("a,label\nu,x\n1,y\nv,y\n", "line 3, column 'a': '1' is a number among"),
    ("a,label\n1,0.5\n1,1\n", "line 2, column 'label': '0.5' is no class"),
    ("a,label\n1,x\n2,x\n", r"one class only, \['x'\]"),
    ('a,label\n1,x\n"2,y\n', "cannot be read after line 2.*save it as comma"),
))
def test_what_is_wrong_with_a_csv_file_is_named(tmp_path, train, message):
  with pytest.raises(ValueError, match=message) as error:
    open_file(written(tmp_path, train))
  assert str(tmp_path) in str(error.value)


def test_a_csv_file_in_another_encoding_is_named(tmp_path):
  (tmp_path / "train.csv").write_bytes("a,label\nü,x\n".encode("latin1"))
  with pytest.raises(ValueError, match="cannot be read.*in UTF-8"):
    open_file(tmp_path)


@pytest.mark.parametrize("test,message", (
    ("height,label\n1,9\n", r"columns of train.csv; it lacks \['colour'\]"),
    ("height,colour,x,label\n1,red,2,9\n", r"has \['x'\] beside them"),
    ("height,colour,label\ntall,red,9\n", "'height': 'tall' is no number"),
    ("height,colour,label\n1,3,9\n", "'colour': '3' is a number among words"),
))
def test_other_files_must_be_like_that_of_training(tmp_path, test, message):
  written(tmp_path, TRAIN, test)
  with pytest.raises(ValueError, match=message) as error:
    open_file(tmp_path, "test")
  assert "test.csv" in str(error.value)


def test_files_that_are_not_there_are_named(folder):
  with pytest.raises(ValueError, match="no file valid.csv; it has.*'test'"):
    open_file(folder, "valid")


def test_log1p_of_csv_files_names_what_it_refuses(folder):
  with pytest.raises(ValueError, match="line 3, column 'height': -2.0 is no"):
    open_file(folder, data=LOG1P)


def test_words_without_end_are_no_categories(tmp_path):
  rows = "".join(f"w{i},{i % 2}\n" for i in range(1001))
  with pytest.raises(ValueError, match="'a': 1001 different words make no cat"):
    open_file(written(tmp_path, f"a,label\n{rows}"))


def test_lists_beside_folders_of_images_are_no_tables(folder):
  assert tables.DOMAIN.holds(folder)
  (folder / "runs").mkdir()
  assert tables.DOMAIN.holds(folder)
  (folder / "train").mkdir()
  assert not tables.DOMAIN.holds(folder)


def test_folders_without_csv_files_are_no_tables(tmp_path):
  (tmp_path / ".train.csv").write_text(TRAIN)
  assert not tables.DOMAIN.holds(tmp_path)
  (tmp_path / "fold1.CSV").write_text(TRAIN)
  assert tables.DOMAIN.holds(tmp_path)
  (tmp_path / "images").mkdir()
  assert not tables.DOMAIN.holds(tmp_path)

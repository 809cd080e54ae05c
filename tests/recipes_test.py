"""Recipes by name, files of one's own, and the list."""

import pathlib
import re

import pytest

from dmjax import config as config_lib
from dmjax import recipes

ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture
def file(tmp_path):
  """Writes a file and returns its path."""

  def write(text, name="mine.py"):
    path = tmp_path / name
    path.write_text(text)
    return path

  return write


def refused(text, says):
  with pytest.raises(ValueError, match=says):
    recipes.load(str(text))


def test_a_recipe_is_loaded_by_its_name():
  config = recipes.load("cifar100:resnet18,cutmix,dm")
  assert config.data.name == "cifar100" and config.model.name == "resnet18"


@pytest.mark.parametrize("text, says", (
    ("cifar10O:resnet18", "unknown dataset 'cifar10O'; did you mean 'cifar10"),
    ("", "unknown dataset ''; valid names: abalone, aircraft, .*ends in .py"),
    ("runs/a", "unknown dataset 'runs/a'"),
    ("table:x", "unknown dataset 'table'"),
    ("cifar100", "needs the words.*cifar100:resnet18,cutmix,dm; `dmjax recipes"
                 " cifar100` lists them"),
    ("imagenet:", "imagenet needs the words.*imagenet:resnet18,100ep"),
    ("cifar100:resnet18,cutmux", "did you mean 'cutmix'"),
))
def test_a_name_that_is_none_says_what_to_write(text, says):
  refused(text, says)


# Files of one's own.

CHANGED = """
from dmjax import recipes

def get_config():
  config = recipes.load("cifar100:resnet18,cutmix,dm")
  config.total = "800 epochs"
  return config
"""


def test_a_file_changes_a_recipe(file):
  config = recipes.load(str(file(CHANGED)))
  assert config.total == "800 epochs" and config.loss.eta == 0.1


@pytest.mark.parametrize("text, says", (
    ("mine.py", "there is no file 'mine.py'"),
    ("no/such/folder/mine.py:a", "there is no file"),
))
def test_a_missing_file_is_named(text, says):
  refused(text, says)


def test_a_file_may_take_an_argument(file):
  path = file(
      "from dmjax import config\n"
      "def get_config(arg):\n"
      "  made = config.default()\n"
      "  made.total = arg\n"
      "  return made\n"
  )
  assert recipes.load(f"{path}:5 steps").total == "5 steps"
  assert recipes.load(f"{path}:a:b").total == "a:b"
  refused(path, r"mine\.py needs an argument: write .*mine\.py:ARG")


def test_an_argument_with_a_default_may_be_left_out(file):
  path = file(
      "from dmjax import config\n"
      "def get_config(arg='3 steps'):\n"
      "  made = config.default()\n"
      "  made.total = arg\n"
      "  return made\n"
  )
  assert recipes.load(str(path)).total == "3 steps"
  assert recipes.load(f"{path}:4 steps").total == "4 steps"


def test_an_argument_that_a_file_does_not_take_is_refused(file):
  path = file(CHANGED)
  refused(f"{path}:smoke", r"mine\.py takes no argument: write .*mine\.py$")


def test_a_file_without_get_config_is_named(file):
  refused(file("x = 1\n"), r"mine\.py has no function get_config")
  refused(file("get_config = 3\n"), r"mine\.py has no function get_config")


@pytest.mark.parametrize("value, kind", (("{}", "dict"), ("None", "NoneType")))
def test_get_config_must_return_a_configuration(file, value, kind):
  path = file(f"def get_config():\n  return {value}\n")
  refused(path, rf"get_config of .*py must return a ConfigDict, got {kind}")


@pytest.mark.parametrize("text, line, says", (
    ("x = 1\nraise KeyError('gone')\n", 2, "KeyError: 'gone'"),
    ("import no_such_module\n", 1, "ModuleNotFoundError: No module"),
    ("x = 1\n\ndef get_config(:\n", 3, "SyntaxError: "),
    ("def get_config():\n  return 1 / 0\n", 2, "ZeroDivisionError: "),
    ("def get_config():\n\n  return help()\ndef help():\n  raise OSError(3)",
     5, "OSError: 3"),
    ("from dmjax import recipes\ndef get_config():\n"
     "  return recipes.load('cifar100:resnet18,cutmux')\n", 3,
     "ValueError: unknown word 'cutmux'"),
))
def test_an_error_in_a_file_names_file_and_line(file, text, line, says):
  path = file(text)
  refused(path, rf"{re.escape(str(path))}, line {line}: {says}")


def test_a_file_that_is_no_text_is_named(tmp_path):
  path = tmp_path / "mine.py"
  path.write_bytes(b"\0\0")
  refused(path, r"mine\.py.*: \w+Error: ")


def test_stopping_is_not_made_an_error_of_the_file(file):
  with pytest.raises(KeyboardInterrupt):
    recipes.load(str(file("raise KeyboardInterrupt\n")))


def test_loading_leaves_nothing_beside_the_file(file, tmp_path):
  recipes.load(str(file(CHANGED)))
  assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]


# The list.


def test_rows_are_of_one_dataset_or_of_all():
  cars = recipes.rows("cars")
  assert all(row.argument.startswith("cars:") for row in cars)
  everything = recipes.rows()
  assert set(cars) <= set(everything)
  datasets = list(dict.fromkeys(r.argument.split(":")[0] for r in everything))
  assert datasets == list(recipes.DATASETS)


def test_a_row_says_what_the_recipe_is():
  rows = {row.argument: row for row in recipes.rows("cars")}
  assert rows["cars:resnet18,automix"] == recipes.Row(
      "cars:resnet18,automix", "resnet18", "automix", "200 epochs", 88.89,
      "AdAutoMix (arXiv 2312.11954)", "median of the last 10", "",
      (
          "the teacher's head of clean images is evaluated, fixed in advance",
          "starts from torchvision's ImageNet parameters",
      ),
  )


def test_rows_of_a_network_stay_together():
  seen = [row.network for row in recipes.rows("cifar100")]
  changes = [a for a, b in zip(seen, [None, *seen]) if a != b]
  assert len(changes) == len(set(seen))


def test_an_unknown_dataset_of_the_list_is_named():
  with pytest.raises(ValueError, match="did you mean 'cifar10'"):
    recipes.rows("cifar1")


def test_the_table_is_aligned():
  text, _ = recipes.table(recipes.rows("cub200")).split("\n\n")
  lines = text.splitlines()
  assert len(lines) == 1 + len(recipes.rows("cub200"))
  assert lines[0].split("  ")[0] == "argument"
  column = lines[0].index("published top-1")
  numbers = [line[column:].split()[0] for line in lines[1:]]
  assert numbers[:3] == ["77.68", "78.39", "-"]
  assert all(line[column - 2:column] == "  " for line in lines)


def test_every_number_in_the_table_has_a_source_a_rule_and_its_notes():
  rows = recipes.rows()
  text, notes = recipes.table(rows).split("\n\n")
  said = dict(line.split(maxsplit=1) for line in notes.splitlines()[1:])
  assert len(said) < 60
  head, *lines = text.splitlines()
  columns = [head.index(name) for name in (
      "length", "published", "rule", "notes", "source"
  )]
  for row, line in zip(rows, lines, strict=True):
    cells = [line[a:b].strip() for a, b in zip([0, *columns], [*columns, None])]
    assert cells[0] == row.argument
    known = row.number is not None
    assert known == (cells[2] != "-") == (cells[3] != "-") == (cells[5] != "-")
    assert [said[n] for n in filter(None, cells[4].split(","))] == list(row.notes)


def test_a_table_of_nothing_is_its_head():
  assert recipes.table([]).split() == [
      "argument", "length", "published", "top-1", "rule", "notes", "source"
  ]


# The published number of a run.


@pytest.mark.parametrize("total, number", (
    ("200 epochs", 79.45), ("800 epochs", 78.17), (" 800  epochs ", 78.17),
    ("1200 epoch", 78.29), ("800.0 epochs", 78.17), ("300 epochs", None),
    ("800 steps", None), ("100 %", None), ("800.5 epochs", None),
))
def test_the_published_number_is_that_of_the_length_of_training(total, number):
  config = recipes.load("cifar100:resnet18,cutmix")
  config.total = total
  assert recipes.published(config) == (number, "median", 10)


def test_a_configuration_without_numbers_has_the_rule_of_this_library():
  config = config_lib.default()
  assert recipes.published(config) == (None, "median", 10)
  del config["published"]
  assert recipes.published(config) == (None, "median", 10)


@pytest.mark.parametrize("rule, last, text", (
    ("median", 10, "median of the last 10"), ("best", 0, "best of the run"),
    ("best", 10, "best of the last 10"), ("last", 0, "last"),
))
def test_a_rule_is_said_in_words(rule, last, text):
  assert recipes.rule_in_words(rule, last) == text


# The package.


def test_recipes_are_in_the_wheel():
  setuptools = pytest.importorskip("setuptools")
  text = (ROOT / "pyproject.toml").read_text()
  include = re.search(r'find\]\ninclude = \["(.*)"\]', text)[1]
  assert "dmjax.configs" in setuptools.find_packages(ROOT, include=[include])
  assert (ROOT / "dmjax" / "configs").resolve() == ROOT / "configs"


def test_recipes_import_one_another_by_the_name_of_the_package():
  for path in (ROOT / "configs").glob("*.py"):
    assert not re.search(r"^\s*(from|import) configs", path.read_text(), re.M)


@pytest.mark.parametrize("dataset", recipes.DATASETS)
def test_a_file_shows_commands_that_exist(dataset):
  text = (ROOT / "configs" / f"{dataset}.py").read_text().split('"""')[1]
  shown = re.findall(r"--config (\S+)", text)
  assert len(shown) >= 2
  for argument in shown:
    assert argument.startswith(f"{dataset}:")
    recipes.load(argument)

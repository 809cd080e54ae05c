"""Recipes by name: `DATASET:ARGS`, or a Python file of one's own.

    config = recipes.load("cifar100:resnet18,cutmix,dm")
    config = recipes.load("mine.py:wide")

A file of one's own has a function `get_config()` or `get_config(arg)` that
returns a `ConfigDict`; most load a recipe of here, change it, and return it.
"""

from collections.abc import Iterable, Iterator
import contextlib
import importlib
import inspect
import pathlib
import re
import traceback
import types
from typing import Any, NamedTuple

import ml_collections

from dmjax import names
from dmjax.configs import publications
from dmjax.configs import words

DATASETS = (
    "digits", "digits_domains", "cifar10", "cifar100", "svhn", "stl10",
    "tiny_imagenet", "pacs", "imagenet", "cub200", "aircraft", "cars", "wine",
    "breast_cancer", "letter", "spambase", "abalone", "spoken_digit",
    "spoken_digit_speakers", "speech_commands", "cora", "citeseer", "pubmed",
    "feature_noise", "sst2", "trec",
)

_LENGTH = re.compile(r"\s*(\d+)(?:\.0*)?\s*(epoch|step)s?\s*")


class Row(NamedTuple):
  """A recipe in a list.

  Attributes:
    argument: What `load` takes, `cifar100:resnet18,cutmix,dm`.
    network: Its network; the method for semi-supervised training.
    mixer: Its mixer; `identity` for the baseline.
    length: Of training, `200 epochs`.
    number: Published top-1 in percent for that length, or None.
    source: Where the number is from.
    rule: How it was measured: `median of the last 10`.
    beside: Of DM without a number, that of its mixup loss, in words.
    notes: What else is to be known.
  """

  argument: str
  network: str
  mixer: str
  length: str
  number: float | None
  source: str
  rule: str
  beside: str
  notes: tuple[str, ...]


def load(text: str) -> ml_collections.ConfigDict:
  """The configuration of a recipe or of a file.

  Args:
    text: `DATASET:ARGS`, or `path/to/file.py` with or without `:ARG`.

  Returns:
    The configuration.

  Raises:
    ValueError: For what is not known or cannot be loaded; it says why, and for
      an error in a file its line.
  """
  if match := re.fullmatch(r"(.*?\.py)(?::(.*))?", text, re.DOTALL):
    return _from_file(pathlib.Path(match[1]), match[2])
  dataset, _, argument = text.partition(":")
  module = _dataset(dataset)
  if not argument:
    raise ValueError(
        f"{dataset} needs the words of a recipe, as in"
        f" {words.example(module.SUITE)}; `dmjax recipes {dataset}` lists them"
    )
  return module.get_config(argument)


def rows(dataset: str | None = None) -> list[Row]:
  """The recipes of one dataset, or of all.

  Raises:
    ValueError: For an unknown dataset; it names the nearest.
  """
  datasets = DATASETS if dataset is None else (dataset,)
  return [
      _row(suite, choice)
      for suite in (_dataset(name).SUITE for name in datasets)
      for choice in words.choices(suite)
  ]


def table(lines: Iterable[Row]) -> str:
  """The rows as aligned plain text, and the notes that they refer to."""
  lines = list(lines)
  notes = list(dict.fromkeys(note for row in lines for note in row.notes))
  cells = [("argument", "length", "published top-1", "rule", "notes", "source")]
  cells += [_cells(row, notes) for row in lines]
  widths = [max(map(len, column)) for column in zip(*cells)]
  rows = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in cells]
  texts = [f"{number:>4}  {note}" for number, note in enumerate(notes, 1)]
  return "\n".join(rows + ["", "notes:"] * bool(texts) + texts)


def published(
    config: ml_collections.ConfigDict,
) -> tuple[float | None, str, int]:
  """The published top-1 for `config.total`, and how it was measured.

  Args:
    config: Any configuration, with or without a section `published`.

  Returns:
    The number in percent, None if there is none for that length of training;
    the rule, `best`, `last` or `median`; and over how many last evaluations, 0
    for those of the whole run.
  """
  section = config.get("published", {})
  match = _LENGTH.fullmatch(config.total)
  key = f"{match[1]} {match[2]}s" if match else config.total
  number = section.get("top1", {}).get(key)
  return number, section.get("rule", "median"), section.get("last", 10)


def rule_in_words(rule: str, last: int) -> str:
  """`median of the last 10`, `best of the run`, `last`."""
  if rule == "last":
    return rule
  return f"{rule} of the last {last}" if last else f"{rule} of the run"


def _dataset(name: str) -> Any:
  if name in DATASETS:
    return importlib.import_module(f"dmjax.configs.{name}")
  raise ValueError(
      f"unknown dataset {name!r}; {names.suggest(name, DATASETS)} (a file of"
      " your own ends in .py)"
  )


def _row(suite: Any, choice: Any) -> Row:
  section = publications.section(choice)
  length = choice.table.length
  return Row(
      argument=f"{suite.name}:{words.argument(suite, choice)}",
      network=choice.network,
      mixer=choice.mixer,
      length=length,
      number=section["top1"].get(length),
      source=section["source"],
      rule=rule_in_words(section["rule"], section["last"]),
      beside=section["beside"],
      notes=tuple(filter(None, section["note"].split("; "))),
  )


def _cells(row: Row, notes: list[str]) -> tuple[str, ...]:
  known = row.number is not None
  return (
      row.argument, row.length, f"{row.number:.2f}" if known else "-",
      row.rule if known else "-",
      ",".join(str(1 + notes.index(note)) for note in row.notes),
      row.source if known else "-",
  )


def _from_file(
    path: pathlib.Path, argument: str | None
) -> ml_collections.ConfigDict:
  if not path.is_file():
    raise ValueError(f"there is no file {str(path)!r}")
  module = types.ModuleType(path.stem)
  module.__file__ = str(path)
  with _naming(path):
    # Compiled here, so that no cache is left beside the file.
    exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
  if not callable(getattr(module, "get_config", None)):
    raise ValueError(f"{path} has no function get_config")
  arguments = () if argument is None else (argument,)
  _check_arguments(path, module.get_config, arguments)
  with _naming(path):
    config = module.get_config(*arguments)
  if not isinstance(config, ml_collections.ConfigDict):
    kind = type(config).__name__
    raise ValueError(
        f"get_config of {path} must return a ConfigDict, got {kind}"
    )
  return config


def _check_arguments(path, function, arguments):
  try:
    inspect.signature(function).bind(*arguments)
  except TypeError:
    says = "takes no argument" if arguments else "needs an argument"
    write = str(path) if arguments else f"{path}:ARG"
    raise ValueError(f"get_config of {path} {says}: write {write}") from None


@contextlib.contextmanager
def _naming(path: pathlib.Path) -> Iterator[None]:
  """Makes what a file raises a ValueError that names its line."""
  try:
    yield
  except (Exception, SystemExit) as error:
    line = _line(str(path), error)
    where = f"{path}, line {line}" if line else str(path)
    what = error.msg if isinstance(error, SyntaxError) else str(error)
    what = " ".join(what.split())
    raise ValueError(f"{where}: {type(error).__name__}: {what}") from error


def _line(file: str, error: Exception) -> int | None:
  """The last line of the file that led to the error."""
  if isinstance(error, SyntaxError) and error.filename == file:
    return error.lineno
  frames = traceback.extract_tb(error.__traceback__)
  lines = [frame.lineno for frame in frames if frame.filename == file]
  return lines[-1] if lines else None

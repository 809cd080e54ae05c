"""Texts of one's own: a folder of tsv files, one for each split."""

from collections.abc import Callable, Sequence
import pathlib
from typing import NamedTuple

import numpy as np

from dmjax import names
from dmjax.data import csv_files

# What a first line that is no text may say.
_HEADERS = (["text", "label"], ["sentence", "label"])


class Texts(NamedTuple):
  """The texts of a split.

  Attributes:
    texts: The texts.
    labels: Of each.
    class_names: Names of the classes.
    present: Names of the classes that have texts, if that is known.
  """

  texts: Sequence[str]
  labels: Sequence[int]
  class_names: tuple[str, ...]
  present: tuple[str, ...] = ()


class _Line(NamedTuple):
  """A text, the name of its class, and `file, line` for errors."""

  text: str
  name: str
  where: str


def find(folder: pathlib.Path) -> dict[str, pathlib.Path]:
  """The tsv files in a folder by the splits they hold; hidden ones are none."""
  return csv_files.find(folder, "tsv")


def holds(folder: pathlib.Path) -> bool:
  """Whether a folder has tsv files, and not as lists beside those of images."""
  return csv_files.holds(folder, "tsv")


def read(
    folder: pathlib.Path, split: str, train: str = "train"
) -> tuple[Texts, Callable[[], Sequence[str]]]:
  """Reads `<split>.tsv`: `text<TAB>label` on every line, quotes as they are.

  A first line `text<TAB>label`, or `sentence<TAB>label`, is left out. The
  classes are those of the training file, sorted.

  Args:
    folder: The folder.
    split: The file to read, without its suffix.
    train: That of training, likewise.

  Returns:
    The texts, and `() -> texts` of training.

  Raises:
    ValueError: For a file that is not there, cannot be read or is empty, lines
      of other than two columns, empty texts and labels, labels that training
      lacks, and one class only; with file and line.
  """
  paths = find(folder)
  for name in (split, train):
    if name not in paths:
      raise ValueError(f"{folder} has no file {name}.tsv; it has {list(paths)}")
  training = _read_file(paths[train])
  own = training if split == train else _read_file(paths[split])
  classes = csv_files.in_order({line.name for line in training})
  if len(classes) < 2:
    raise ValueError(
        f"{paths[train]} has texts of one class only, {classes}; there must be"
        " two at least"
    )
  labels = [_label(line, classes, paths[train].name) for line in own]
  present = tuple(classes[label] for label in np.unique(labels))
  texts = [line.text for line in own]
  return (
      Texts(texts, labels, tuple(classes), present),
      lambda: [line.text for line in training],
  )


def _label(line, classes, train):
  if line.name not in classes:
    raise ValueError(
        f"{line.where}: no text of {train} has the label {line.name!r};"
        f" {names.suggest(line.name, classes)}"
    )
  return classes.index(line.name)


def _read_file(path):
  try:
    lines = path.read_text("utf-8-sig").split("\n")
  except (OSError, UnicodeError) as error:
    raise ValueError(
        f"{path} cannot be read ({error}); save it as tab separated values, in"
        " UTF-8"
    ) from None
  found = [
      _cells(f"{path}, line {number}", line.removesuffix("\r"))
      for number, line in enumerate(lines, 1) if line.strip()
  ]
  if found and [found[0].text.lower(), found[0].name.lower()] in _HEADERS:
    found = found[1:]
  if not found:
    raise ValueError(
        f"{path} holds no texts; write `text<TAB>label` on every line"
    )
  return found


def _cells(where, line):
  cells = [cell.strip() for cell in line.split("\t")]
  if len(cells) != 2:
    raise ValueError(
        f"{where} has {len(cells)} columns, and must have two,"
        " `text<TAB>label`; a text must hold no tab"
    )
  for name, cell in zip(("text", "label"), cells):
    if not cell:
      raise ValueError(f"{where}: the {name} is empty; leave the line out")
  return _Line(*cells, where)

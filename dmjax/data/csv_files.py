"""Tables of one's own: a folder of csv files, one for each split."""

from collections.abc import Callable, Iterable, Sequence
import csv
import pathlib
from typing import NamedTuple

import numpy as np

LABEL = "label"

# What stands for no value, in lower case and without a sign.
_NO_VALUE = frozenset(("", "nan", "inf", "infinity"))
# More words than this are names or texts, not categories.
_MOST_CATEGORIES = 1000


class Column(NamedTuple):
  """A column of a table.

  Attributes:
    name: Of the column.
    values: `[N]`, numbers, or where there are categories which one, from 0.
    categories: How many; 0 for numbers.
  """

  name: str
  values: np.ndarray
  categories: int = 0


class Table(NamedTuple):
  """The rows of a split.

  Attributes:
    columns: Of the input, in order.
    labels: One for each row.
    class_names: Names of the classes.
    where: `row -> text`, to name a row in an error.
    present: Names of the classes that have rows, if that is known.
  """

  columns: Sequence[Column]
  labels: Sequence[int]
  class_names: tuple[str, ...]
  where: Callable[[int], str]
  present: tuple[str, ...] = ()


class _File(NamedTuple):
  """A file as text: its cells by column, and the line of every row."""

  path: pathlib.Path
  cells: dict[str, list[str]]
  lines: list[int]

  def refusal(self, row: int, name: str, problem: str) -> ValueError:
    return ValueError(
        f"{self.path}, line {self.lines[row]}, column {name!r}: {problem}"
    )


def find(folder: pathlib.Path, ending: str = "csv") -> dict[str, pathlib.Path]:
  """The files of an ending by the splits they hold; hidden ones are none."""
  return {
      path.stem: path for path in sorted(folder.iterdir())
      if path.suffix.lower() == f".{ending}"
      and path.is_file() and not path.name.startswith(".")
  }


def holds(folder: pathlib.Path, ending: str) -> bool:
  """Whether a folder has such files, and not as lists beside those of images."""
  found = find(folder, ending)
  if "train" in found:
    return not (folder / "train").is_dir()
  return bool(found) and not any(path.is_dir() for path in folder.iterdir())


def read(folder: pathlib.Path, split: str, train: str = "train") -> Table:
  """Reads `<split>.csv`: a header, a column `label`, rows without gaps.

  A column is of numbers, or of categories where no cell of it in the training
  file is a number. Categories and classes are those of all the files of the
  folder, sorted, so that they agree; the columns are in the order of training.

  Args:
    folder: The folder.
    split: The file to read, without its suffix.
    train: That of training, likewise.

  Returns:
    The table.

  Raises:
    ValueError: For a file that is not there or cannot be read, other columns
      than those of training, missing values, numbers among words or words among
      numbers, too many categories, and one class only; with file, line, column.
  """
  paths = find(folder)
  for name in (split, train):
    if name not in paths:
      raise ValueError(f"{folder} has no file {name}.csv; it has {list(paths)}")
  files = {name: _read_file(path) for name, path in paths.items()}
  for file in files.values():
    _check_columns(file, files[train])
  own, names = files[split], _classes(files)
  columns = [
      _column(name, files, split, train)
      for name in files[train].cells if name != LABEL
  ]
  labels = _indices(own.cells[LABEL], names)
  present = tuple(names[label] for label in np.unique(labels))
  where = lambda row: f"{own.path}, line {own.lines[row]}"
  return Table(columns, labels.tolist(), tuple(names), where, present)


def _column(name, files, split, train):
  numbers = {
      each: list(map(_number, files[each].cells[name]))
      for each in dict.fromkeys((train, split))
  }
  # Where training has numbers and words, the rarer ones are refused.
  words = 2 * numbers[train].count(None) > len(numbers[train])
  for each, found in numbers.items():
    _check_kind(files[each], name, found, words)
  if not words:
    return Column(name, np.array(numbers[split], np.float64))
  found = _categories(name, files, train)
  return Column(name, _indices(files[split].cells[name], found), len(found))


def _categories(name, files, train):
  found = sorted(set().union(*(file.cells[name] for file in files.values())))
  if len(found) > _MOST_CATEGORIES:
    raise ValueError(
        f"{files[train].path}, column {name!r}: {len(found)} different words"
        f" make no categories, {_MOST_CATEGORIES} at most; take the column out,"
        " or group them"
    )
  return found


def _indices(cells, found):
  order = {word: index for index, word in enumerate(found)}
  return np.array([order[cell] for cell in cells])


def _number(cell):
  """The number that a cell is, or None; `1_000` is none."""
  try:
    return None if "_" in cell else float(cell)
  except ValueError:
    return None


def _check_kind(file, name, numbers, words):
  odd = [row for row, number in enumerate(numbers) if (number is None) != words]
  if not odd:
    return
  cell = file.cells[name][odd[0]]
  if words:
    problem = f"{cell!r} is a number among words; write a word for it"
  else:
    problem = f"{cell!r} is no number, and others are; mend it, or leave it out"
  raise file.refusal(odd[0], name, problem)


def _classes(files):
  """Names of the classes: whole numbers in their order, words in theirs."""
  for file in files.values():
    for row, cell in enumerate(file.cells[LABEL]):
      if _number(cell) is not None and not _is_whole(cell):
        raise file.refusal(
            row, LABEL, f"{cell!r} is no class; write words or whole numbers"
        )
  found = set().union(*(file.cells[LABEL] for file in files.values()))
  if len(found) < 2:
    raise ValueError(
        f"{file.path.parent}: the csv files have rows of one class only,"
        f" {list(found)}; there must be two at least"
    )
  return in_order(found)


def in_order(found: Iterable[str]) -> list[str]:
  """Names of classes: whole numbers in their order, words in theirs."""
  whole = all(map(_is_whole, found))
  return sorted(found, key=lambda name: (int(name) if whole else 0, name))


def _is_whole(cell):
  return cell.removeprefix("-").isdecimal()


def _check_columns(file, train):
  if file.cells.keys() != train.cells.keys():
    lacking = sorted(train.cells.keys() - file.cells.keys())
    odd = sorted(file.cells.keys() - train.cells.keys())
    raise ValueError(
        f"{file.path} must have the columns of {train.path.name}; it lacks"
        f" {lacking}, and has {odd} beside them. Mend its header, or move a"
        " file that is no split elsewhere"
    )


def _read_file(path):
  rows = _rows(path)
  if len(rows) < 2:
    held = "a header alone" if rows else "nothing"
    raise ValueError(f"{path} holds {held}; it must have a header and rows")
  (line, header), *rows = rows
  _check_header(f"{path}, line {line}", header)
  for line, row in rows:
    if len(row) != len(header):
      raise ValueError(
          f"{path}, line {line} has {len(row)} cells, the header {len(header)};"
          " mend it, or put cells with commas into quotes"
      )
  lines, cells = zip(*rows)
  file = _File(path, dict(zip(header, map(list, zip(*cells)))), lines)
  for name in header:
    _check_values(file, name)
  return file


def _rows(path):
  """Line and cells of all rows but blank ones, the header first."""
  rows = []
  try:
    with open(path, newline="", encoding="utf-8-sig") as file:
      reader = csv.reader(file, skipinitialspace=True, strict=True)
      for row in reader:
        rows.append((reader.line_num, [cell.strip() for cell in row]))
  except (OSError, UnicodeError, csv.Error) as error:
    line = rows[-1][0] if rows else 0
    raise ValueError(
        f"{path} cannot be read after line {line} ({error}); save it as comma"
        " separated values, in UTF-8"
    ) from None
  return [(line, row) for line, row in rows if row not in ([], [""])]


def _check_header(where, header):
  twice = sorted({name for name in header if header.count(name) > 1})
  if "" in header:
    place = header.index("") + 1
    problem = f"column {place} has no name; name it, or take it out"
  elif twice:
    problem = f"columns must have different names, got twice: {twice}"
  elif LABEL not in header:
    problem = f"there must be a column {LABEL!r} of classes, got {header}"
  elif len(header) < 2:
    problem = f"there must be columns beside {LABEL!r}, got none"
  else:
    return
  raise ValueError(f"{where}: {problem}")


def _check_values(file, name):
  for row, cell in enumerate(file.cells[name]):
    if cell.lower().lstrip("+-") in _NO_VALUE:
      raise file.refusal(
          row, name, f"{cell!r} is a missing value; fill it in, or leave the"
          " row out"
      )

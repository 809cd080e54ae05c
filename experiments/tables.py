"""Results as csv files, to which the same command adds what is missing."""

from collections.abc import Iterable, Mapping, Sequence
import csv
import pathlib
from typing import Any

import numpy as np


def read(path: pathlib.Path) -> list[dict[str, str]]:
  """The rows of a csv file, none if it is missing."""
  if not path.exists():
    return []
  with open(path, newline="", encoding="utf-8") as file:
    return list(csv.DictReader(file))


def write(
    path: pathlib.Path,
    rows: Iterable[Mapping[str, Any]],
    columns: Sequence[str],
) -> None:
  """Writes the rows as csv, with these columns."""
  with open(path, "w", newline="", encoding="utf-8") as file:
    writer = csv.DictWriter(file, columns)
    writer.writeheader()
    writer.writerows(rows)


def markdown(
    head: Sequence[str], rows: Iterable[Sequence[Any]], *, names: int = 1
) -> str:
  """The rows as a table in markdown; all but `names` columns are numbers."""
  rule = "|" + "---|" * names + "--:|" * (len(head) - names)
  lines = [f"| {' | '.join(map(str, row))} |" for row in (head, *rows)]
  return "\n".join([lines[0], rule, *lines[1:]])


def mean_and_deviation(values: Sequence[float]) -> str:
  """`79.00 ± 1.00`, the deviation that of a sample; 0 for one value."""
  spread = np.std(values, ddof=1) if len(values) > 1 else 0.0
  return f"{np.mean(values):.2f} ± {spread:.2f}"

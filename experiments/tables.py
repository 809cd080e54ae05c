"""Results as csv files, to which the same command adds what is missing."""

from collections.abc import Sequence
import csv
import pathlib


def read(path: pathlib.Path) -> list[dict[str, str]]:
  """The rows of a csv file, none if it is missing."""
  if not path.exists():
    return []
  with open(path, newline="", encoding="utf-8") as file:
    return list(csv.DictReader(file))


def write(
    path: pathlib.Path, rows: list[dict[str, str]], columns: Sequence[str]
) -> None:
  """Writes the rows as csv, with these columns."""
  with open(path, "w", newline="", encoding="utf-8") as file:
    writer = csv.DictWriter(file, columns)
    writer.writeheader()
    writer.writerows(rows)

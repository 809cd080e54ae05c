"""Public arrays of corrupted test images, laid out as CIFAR-10-C."""

from collections.abc import Callable, Sequence
import os
import pathlib
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]


def open_arrays(folder: str, names: Sequence[str]) -> Arrays:
  """Opens `NAME.npy` of every name, and `labels.npy`; reads no images.

  Args:
    folder: That holds them.
    names: Of corruptions.

  Returns:
    By name, `uint8[5 N, H, W, C]`, a severity behind the other, and `labels`,
    `[5 N]`.

  Raises:
    ValueError: For no folder, missing or damaged files, and arrays of other
      shapes or types.
  """
  root = pathlib.Path(folder).expanduser()
  if not root.is_dir():
    raise ValueError(f"corrupted: there is no folder {os.fspath(folder)!r}")
  paths = {name: root / f"{name}.npy" for name in (*names, "labels")}
  missing = [path.name for path in paths.values() if not path.exists()]
  if missing:
    raise ValueError(
        f"corrupted: {root} lacks {', '.join(missing)}; it must be laid out as"
        " CIFAR-10-C, with a file for every corruption and one of labels"
    )
  arrays = {name: _open(path) for name, path in paths.items()}
  for name, array in arrays.items():
    _check(paths[name], array, len(arrays["labels"]))
  return arrays


def _open(path):
  try:
    return np.load(path, mmap_mode="r")
  except (EOFError, OSError, ValueError) as error:
    raise ValueError(f"corrupted: cannot read {path}: {error}") from None


def _check(path, array, rows):
  is_labels = path.stem == "labels"
  fits = np.issubdtype(array.dtype, np.integer) and array.ndim == 1
  if not is_labels:
    fits = array.dtype == np.uint8 and array.ndim == 4
  if not fits or len(array) != rows or rows % 5:
    wanted = "integers [5 N]" if is_labels else "uint8 [5 N, H, W, C]"
    raise ValueError(
        f"corrupted: {path} must be {wanted}, with as many rows as labels.npy,"
        f" which has {rows}; got {array.dtype} {list(array.shape)}"
    )


def reader(
    arrays: Arrays, name: str, severity: int, size: int
) -> tuple[Callable[[int], dict[str, Any]], Callable[[int], int]]:
  """How the images of one corruption and severity are read.

  Args:
    arrays: From `open_arrays`.
    name: Of the corruption.
    severity: From 1 to 5.
    size: Number of rows of a severity, N.

  Returns:
    `index -> {"x", "label"}` and `index -> label`.
  """
  first = (severity - 1) * size

  def label(index):
    return int(arrays["labels"][first + index])

  def read(index):
    return {"x": np.array(arrays[name][first + index]), "label": label(index)}

  return read, label


def check_fits(arrays: Arrays, size: int, num_classes: int) -> None:
  """Raises ValueError for arrays that are not of the test rows.

  Args:
    arrays: From `open_arrays`.
    size: Number of test rows; the arrays must have five times as many.
    num_classes: Number of classes, all labels must be below it.
  """
  labels = arrays["labels"]
  if len(labels) != 5 * size:
    raise ValueError(
        f"corrupted: arrays must have 5 x {size} rows, five severities of the"
        f" test rows, got {len(labels)}; evaluate on the whole test split of"
        " the dataset that was corrupted"
    )
  if labels.min() < 0 or labels.max() >= num_classes:
    raise ValueError(
        f"corrupted: labels.npy must be in [0, {num_classes}), as the run has"
        f" {num_classes} classes, got {labels.min()} to {labels.max()}"
    )

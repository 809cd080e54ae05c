"""Tables: rows of numbers, and of categories as zeros and ones.

A row is `float32[D]`: a number gives one column, a category as many as there
are of its kind, one of which is 1. Every source has the mean and the standard
deviation of its own rows, columns of zeros and ones too. The network
standardises with those of the training rows; mixers see the values as they are.
"""

from collections.abc import Mapping
import pathlib
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
import tqdm

from dmjax.data import base
from dmjax.data import csv_files
from dmjax.data import options

KIND = "table"

# Rows of a TFDS dataset that are read at a time.
_CHUNK = 1000
_UNDECLARED = (
    "dataset {name!r} holds a table, and does not say what its input and label"
    " are; its builder must set supervised_keys, as (features, label) or"
    " ({{column: column, ...}}, label)"
)


def recognises(features: Mapping[str, Any], key: Any) -> bool:
  """Whether the input of a dataset is one flat array, or columns.

  Args:
    features: Of the dataset.
    key: Of the input, or `{column: column}`.

  Returns:
    Whether it is a table. So is a dataset of numbers and classes alone that
    names no input: `open_dataset` says what it lacks.
  """
  if isinstance(key, Mapping):
    return all(isinstance(column, str) for column in key.values())
  if key in features:
    return _has_numbers(features[key]) and _is_flat(features[key])
  every = [features[name] for name in features]
  numbers = [_has_numbers(feature) for feature in every]
  alone = [_is_class(f) or n and f.shape == () for f, n in zip(every, numbers)]
  return all(alone) and any(numbers)


def _is_class(feature):
  return isinstance(feature, tfds.features.ClassLabel)


def _has_numbers(feature):
  tensor = isinstance(feature, tfds.features.Tensor) and not _is_class(feature)
  return tensor and np.dtype(feature.np_dtype).kind in "biuf"


def _is_flat(feature):
  return len(feature.shape) == 1 and feature.shape[0] is not None


def open_dataset(
    builder: tfds.core.DatasetBuilder, name: str, split: str, data: Any
) -> base.Source:
  """A split of a TFDS dataset, read whole: 16,000 rows take half a second.

  Args:
    builder: Of the dataset.
    name: Of it, for errors.
    split: The split.
    data: The `data` section.

  Returns:
    The source.

  Raises:
    ValueError: For a dataset without supervised keys, one whose label is no
      ClassLabel or whose columns are neither numbers nor classes, for missing
      values, and where `table.log1p` has no value.
  """
  base.check_split(builder, name, split)
  inputs, label = _keys(builder, name)
  features = builder.info.features
  rows = read_all(builder.as_data_source(split))
  columns = []
  for key in inputs:
    values = np.array([row[key] for row in rows])
    columns += _columns(key, features[key], values)
  return _source(csv_files.Table(
      columns, [int(row[label]) for row in rows], tuple(features[label].names),
      lambda row: f"example {row} of {name!r}, split {split!r}",
  ), data)


def _keys(builder, name):
  """The keys of the input, several for columns, and that of the label."""
  features = builder.info.features
  if not builder.info.supervised_keys:
    raise ValueError(_UNDECLARED.format(name=name))
  inputs, label = builder.info.supervised_keys
  inputs = list(inputs.values()) if isinstance(inputs, Mapping) else [inputs]
  for key in inputs:
    if not (_has_numbers(features[key]) or _is_class(features[key])):
      raise ValueError(
          f"column {key!r} of dataset {name!r} must be a number or a class, got"
          f" {features[key]}; leave it out of supervised_keys"
      )
  if not _is_class(features[label]):
    raise ValueError(
        f"label {label!r} of dataset {name!r} must be a ClassLabel, got"
        f" {features[label]}; only classes can be learned"
    )
  return inputs, label


def read_all(source: Any) -> list[dict[str, Any]]:
  """All examples of a data source of TFDS, with a progress bar."""
  rows = []
  for start in tqdm.tqdm(
      range(0, len(source), _CHUNK), "reading", leave=False, delay=1.0,
      unit_scale=_CHUNK, unit="rows",
  ):
    end = min(start + _CHUNK, len(source))
    rows += source.__getitems__(list(range(start, end)))
  return rows


def _columns(key, feature, values):
  if _is_class(feature):
    return [csv_files.Column(key, values, feature.num_classes)]
  if values.ndim == 1:
    return [csv_files.Column(key, values)]
  return [
      csv_files.Column(f"{key}[{place}]", column)
      for place, column in enumerate(values.T)
  ]


def holds(folder: pathlib.Path) -> bool:
  """Whether a folder has csv files, and not as lists beside those of images."""
  return csv_files.holds(folder, "csv")


def open_folder(folder: pathlib.Path, split: str, data: Any) -> base.Source:
  """The file `<split>.csv` of a folder, see `csv_files.read`.

  Args:
    folder: The folder.
    split: Name of the file, without its suffix.
    data: The `data` section; `train` names the file that says what the columns
      are.

  Returns:
    The source.

  Raises:
    ValueError: See `csv_files.read`; and where `table.log1p` has no value.
  """
  train = data.get("train", "train")
  return _source(csv_files.read(folder, split, train), data)


def _source(table, data):
  if not table.labels:
    raise ValueError(f"there must be rows, got none: no {table.where(0)}")
  log1p = data.get(KIND, {}).get("log1p", False)
  parts = [_as_floats(column, table.where, log1p) for column in table.columns]
  x, labels = np.concatenate(parts, axis=1), table.labels
  x.setflags(write=False)
  mean, std = (tuple(each.tolist()) for each in _statistics(x))
  return base.Source(
      lambda index: {"x": x[int(index)], "label": labels[int(index)]},
      len(x), table.class_names, KIND, table.present,
      label=lambda index: labels[int(index)], mean=mean, std=std,
  )


def _as_floats(column, where, log1p):
  """A column as `float32[N, 1]`, or of zeros and ones `[N, categories]`."""
  values, count = column.values, column.categories
  if count:
    _check(column, where, (0 <= values) & (values < count), "no category")
    return np.eye(count, dtype=np.float32)[values]
  with np.errstate(over="ignore"):
    _check(column, where, np.isfinite(np.float32(values)), "no finite float32")
  if log1p:
    positive = values > -1
    _check(column, where, positive, "not above -1, as data.table.log1p asks")
    values = np.log1p(values, dtype=np.float64)
  return values.astype(np.float32)[:, None]


def _check(column, where, good, problem):
  if not np.all(good):
    row = int(np.argmin(good))
    value = column.values[row].item()
    raise ValueError(
        f"{where(row)}, column {column.name!r}: {value!r} is {problem}; mend"
        " it, or leave the row out"
    )


def _statistics(x):
  """Mean and standard deviation by column, 1 for a constant one; float64."""
  varies = np.ptp(x, axis=0) > np.finfo(np.float32).tiny
  std = np.where(varies, np.std(x, axis=0, dtype=np.float64), 1.0)
  return np.mean(x, axis=0, dtype=np.float64), std


def check(config: Any, example: base.Arrays) -> None:
  """Raises ValueError for options of images that are set.

  Args:
    config: The configuration.
    example: A batch of one row.
  """
  del example
  options.check_no_image_options(config, KIND)


def points(x: Any) -> np.ndarray:
  """Rows `[B, ...]` as `float64[B, D]`, standardised among themselves."""
  x = np.asarray(x, np.float64).reshape(len(x), -1)
  mean, std = _statistics(x)
  return (x - mean) / std


DOMAIN = base.Domain(
    unit="rows",
    recognises=recognises,
    open=open_dataset,
    holds=holds,
    open_folder=open_folder,
    views=base.as_they_are,
    check=check,
    points=points,
)

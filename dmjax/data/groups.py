"""Batches of a few classes, several examples of each standing together.

Losses that compare examples, such as those of speakers, want P classes by U
examples in every batch. Each device has P classes of its own, no class twice,
and the U rows of a class follow each other, so a batch `[P U, ...]` is
`[P, U, ...]` there. A batch is a function of seed and step alone.
"""

from collections.abc import Iterator, Sequence
import itertools
from typing import Any

import jax
import numpy as np

from dmjax import names
from dmjax.data import base


def check(config: Any) -> None:
  """Raises ValueError for options that `data.per_class` has no place beside.

  Args:
    config: The configuration.
  """
  data = config.data
  streaming = data.pipeline == "streaming"
  others = {
      "unlabelled.split": config.unlabelled.split,
      "data.repeats": data.repeats > 1,
      # What is read in place of a bad example may be of another class.
      "data.skip_bad of streaming data": data.skip_bad and streaming,
  }
  for key, is_set in others.items():
    if data.per_class and is_set:
      raise ValueError(
          f"data.per_class={data.per_class} and {key} do not go together: a"
          " batch has so many different labelled examples of a class; set one"
          " of the two back"
      )


def check_source(config: Any, source: base.Source) -> None:
  """Raises ValueError for a batch size that the classes do not fill.

  Args:
    config: The configuration of a run that is about to be trained.
    source: Of its training rows.
  """
  known = source.present or source.class_names
  if config.data.per_class:
    classes_of_device(config.batch_size, config.data.per_class, len(known))


def members(
    labels: np.ndarray, per_class: int, class_names: Sequence[str]
) -> list[np.ndarray]:
  """The rows of each class that has any.

  Args:
    labels: `int[N]`, of all rows.
    per_class: U, how many rows of a class a batch takes.
    class_names: Of all classes.

  Returns:
    Rows by class.

  Raises:
    ValueError: For classes with fewer than U rows, which it names.
  """
  rows = [np.flatnonzero(labels == c) for c in range(len(class_names))]
  few = [
      f"{name} ({len(found)})" for name, found in zip(class_names, rows)
      if 0 < len(found) < per_class
  ]
  if few:
    raise ValueError(
        f"data.per_class={per_class} needs so many examples of every class, and"
        f" there are fewer of {names.few(few)}"
    )
  return [found for found in rows if len(found)]


def classes_of_device(batch_size: int, per_class: int, known: int) -> int:
  """P, the number of classes in the part of a batch that a device has.

  Args:
    batch_size: Over all devices.
    per_class: U.
    known: How many classes there are.

  Returns:
    P.

  Raises:
    ValueError: For a batch size that is no multiple of U and the devices, and
      unless 2 <= P <= `known`.
  """
  devices = jax.device_count()
  classes, rest = divmod(batch_size, per_class * devices)
  if rest or classes < 2:
    raise ValueError(
        f"batch_size={batch_size} must be data.per_class={per_class} examples"
        f" of 2 classes or more on each of the {devices} devices, so a multiple"
        f" of {per_class * devices}, {2 * per_class * devices} or more"
    )
  if classes > known:
    raise ValueError(
        f"batch_size={batch_size} with data.per_class={per_class} takes"
        f" {classes} classes on each of the {devices} devices, and there are"
        f" {known}: the largest is {known * per_class * devices}"
    )
  return classes


def row(
    rows: Sequence[np.ndarray], per_class: int, classes: int, seed: int,
    place: int,
) -> int:
  """The row at a place of the endless sequence that batches are cut from.

  Args:
    rows: Of `members`.
    per_class: U.
    classes: P.
    seed: Of the draws.
    place: Counted over all batches, those before included.

  Returns:
    The row.
  """
  group, at = divmod(int(place), per_class)
  return int(_group(rows, per_class, classes, seed, group)[at])


def batches(
    rows: Sequence[np.ndarray], per_class: int, batch_size: int, seed: int,
    step: int,
) -> Iterator[np.ndarray]:
  """Row numbers of every batch of all devices, from `step` on, without end.

  Args:
    rows: Of `members`.
    per_class: U.
    batch_size: Over all devices.
    seed: Of the draws.
    step: Of the first batch.

  Yields:
    `int32[batch_size]`.
  """
  classes = classes_of_device(batch_size, per_class, len(rows))
  groups = batch_size // per_class
  for at in itertools.count(step):
    numbers = range(at * groups, (at + 1) * groups)
    drawn = [_group(rows, per_class, classes, seed, n) for n in numbers]
    yield np.concatenate(drawn).astype(np.int32)


def _group(rows, per_class, classes, seed, number):
  """The rows of a class, `int[U]`; every P groups have P classes."""
  part, place = divmod(number, classes)
  order = np.random.default_rng((seed, part)).permutation(len(rows))
  found = rows[order[place]]
  rng = np.random.default_rng((seed, part, place))
  return found[rng.choice(len(found), per_class, replace=False)]

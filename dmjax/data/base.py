"""What sources and pipelines are."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

Arrays = dict[str, Any]


class Source(NamedTuple):
  """Random access to the examples of a split.

  Attributes:
    read: `index -> example`, a dict with `x`, for an image `uint8[H, W, C]`,
      with `label`, an integer, and whatever rides along.
    size: Number of examples.
    class_names: Names of the classes.
    kind: What `x` is: `image`.
    present: Names of the classes that have examples; empty where that is not
      known.
    label: `index -> label`, without decoding the rest; None for no such way.
  """

  read: Callable[[int], Arrays]
  size: int
  class_names: tuple[str, ...]
  kind: str = "image"
  present: tuple[str, ...] = ()
  label: Callable[[int], int] | None = None

  @property
  def num_classes(self) -> int:
    """Number of classes."""
    return len(self.class_names)


class Pipeline(NamedTuple):
  """A source as batches: dicts of arrays, or dicts of them for several streams.

  Attributes:
    size: Number of examples.
    class_names: Names of the classes.
    example: A batch of one row of zeros, as `select` gives it.
    shared: Arrays that every step needs, placed on the devices once.
    batches: `(batch_size, seed, position=None) -> Stream` of training batches of
      this process, from a position that a stream gave.
    rows: `row numbers -> batch` of those rows.
    select: `(batch, shared) -> {"x", "label", "index", ...}`, inside the step.
      Images are `float32[B, H, W, C]` in [0, 1] from here on.
  """

  size: int
  class_names: tuple[str, ...]
  example: Arrays
  shared: Arrays
  batches: Callable[..., "Stream"]
  rows: Callable[[np.ndarray], Arrays]
  select: Callable[[Arrays, Arrays], Arrays]

  @property
  def num_classes(self) -> int:
    """Number of classes."""
    return len(self.class_names)


class Stream(NamedTuple):
  """Endless training batches, and where we are in them.

  Attributes:
    next: `() -> batch`, host arrays with this process's rows.
    position: `() -> JSON-able position` of the next batch.
  """

  next: Callable[[], Arrays]
  position: Callable[[], Any]


def subset(source: Source, rows: Sequence[int]) -> Source:
  """Some of the examples of a source, in the order of `rows`.

  Args:
    source: The source.
    rows: Indices of its examples, from 0.

  Returns:
    The source.

  Raises:
    ValueError: For no rows, and for one that the source does not have.
  """
  rows = np.asarray(rows)
  if not rows.size or rows.min() < 0 or rows.max() >= source.size:
    raise ValueError(
        f"rows must be indices in [0, {source.size}), one at least, got {rows}"
    )
  return source._replace(
      read=lambda index: source.read(rows[index]), size=len(rows), present=(),
      label=source.label and (lambda index: source.label(rows[index])),
  )


def unlabelled(source: Source) -> Source:
  """The source without its labels: every one is 0, whatever it was."""

  def read(index):
    return source.read(index) | {"label": 0}

  return source._replace(read=read, present=(), label=None)


def check_classes(train: Source, test: Source) -> None:
  """Raises ValueError for splits whose classes do not fit, naming these.

  Args:
    train: What is trained on, of two classes or more.
    test: What is evaluated, of the same classes; it may lack some.
  """
  names = train.present or train.class_names
  tested = test.present or test.class_names
  lacking = [name for name in tested if name not in names]
  message = ""
  if len(names) < 2:
    message = f"data.train must have two classes or more, got {list(names)}"
  elif lacking:
    message = f"data.test has classes that data.train lacks: {lacking}"
  elif train.class_names != test.class_names:
    message = (
        "data.train and data.test must list the same classes, got"
        f" {list(train.class_names)} and {list(test.class_names)}"
    )
  if message:
    raise ValueError(f"{message}; add images, or take the odd classes out")


def as_floats(batch: Arrays) -> Arrays:
  """The batch with pixels, which are uint8, as float32 in [0, 1]."""
  if batch["x"].dtype != jnp.uint8:
    return batch
  return batch | {"x": batch["x"].astype(jnp.float32) / 255}


def example_of(arrays: Arrays) -> Arrays:
  """One row of zeros like one row of `[B, ...]` arrays, as `select` gives it."""
  zeros = {k: np.zeros((1, *v.shape[1:]), v.dtype) for k, v in arrays.items()}
  return jax.device_get(as_floats(zeros))

"""What sources and pipelines are."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dmjax import names

Arrays = dict[str, Any]


def as_floats(batch: Arrays, shared: Any = ()) -> Arrays:
  """The batch with pixels, which are uint8, as float32 in [0, 1]."""
  del shared
  if batch["x"].dtype != jnp.uint8:
    return batch
  return batch | {"x": batch["x"].astype(jnp.float32) / 255}


class Source(NamedTuple):
  """Random access to the examples of a split.

  Attributes:
    read: `index -> example`, a dict with `x`, for an image `uint8[H, W, C]`,
      with `label`, an integer, and whatever rides along.
    size: Number of examples.
    class_names: Names of the classes.
    kind: What `x` is, a key of `dmjax.data.domains.DOMAINS`: `image`, ...
    present: Names of the classes that have examples; empty where that is not
      known.
    label: `index -> label`, without decoding the rest; None for no such way.
    finish: `(batch, shared) -> batch`, inside the step: what the network gets of
      a batch of rows as they were read. Pixels become float32 in [0, 1].
    shared: `() -> arrays` that all examples share, on the devices, such as a
      graph; called when training starts, not before.
    mean: Of the last axis of what `finish` gives, over the training examples;
      empty where it is not to be normalised, None for `data.mean` of the
      configuration.
    std: Likewise.
    domain_names: Names of the domains that examples come from; then each also
      has its `domain`, an integer. Empty where nothing is known of domains.
    domain: `index -> domain`, as `label`; None where there are no domains.
    reader: What was learned of the training examples to read others alike, as
      text, such as a tokenizer: it is kept with a run, and given as
      `data["reader"]` to what opens other sources for it. Empty for nothing.
  """

  read: Callable[[int], Arrays]
  size: int
  class_names: tuple[str, ...]
  kind: str = "image"
  present: tuple[str, ...] = ()
  label: Callable[[int], int] | None = None
  finish: Callable[[Arrays, Any], Arrays] = as_floats
  shared: Callable[[], Any] = tuple
  mean: tuple[float, ...] | None = None
  std: tuple[float, ...] | None = None
  domain_names: tuple[str, ...] = ()
  domain: Callable[[int], int] | None = None
  reader: str = ""

  @property
  def num_classes(self) -> int:
    """Number of classes."""
    return len(self.class_names)


View = Callable[[jax.Array, jax.Array], jax.Array]


def as_they_are(config: Any) -> dict[str, View]:
  """The views of inputs that nothing augments: `weak` and `strong` alike."""
  del config
  return dict.fromkeys(("weak", "strong"), lambda key, x: x)


class Domain(NamedTuple):
  """A kind of input: how it is opened, and what the engine has to know of it.

  Attributes:
    unit: What an example is called, in the plural: `images`.
    recognises: `(features, input key) -> bool`: whether a TFDS dataset, by its
      features, is of this kind. The first domain of the table that says so.
    open: `(builder, name, split, data) -> Source` of such a dataset; `data` is
      the section of the configuration.
    holds: `folder -> bool`: whether a folder holds data of this kind.
    open_folder: `(folder, split, data) -> Source` of one.
    views: `config -> {"weak", "strong"}`, each `(key, x) -> x`: the training
      augmentation, on the device.
    check: `(config, example) -> None`; raises ValueError for options of `data`
      that do not fit a batch of one row, or have no meaning for this kind.
    pictures: `x -> [B, H, W, C]` in [0, 1], to be drawn; None where `points`
      are drawn.
    points: `x -> [B, D]`, host arrays, to be projected onto a plane.
    read_file: `(source, path) -> x` of one example, without the batch, as a
      trained run with this source sees it; None where no file holds just one.
  """

  unit: str
  recognises: Callable[[Any, str], bool]
  open: Callable[[Any, str, str, Any], Source]
  holds: Callable[[Any], bool]
  open_folder: Callable[[Any, str, Any], Source]
  views: Callable[[Any], dict[str, View]]
  check: Callable[[Any, Arrays], None]
  pictures: Callable[[Any], np.ndarray] | None = None
  points: Callable[[Any], np.ndarray] | None = None
  read_file: Callable[[Source, Any], np.ndarray] | None = None


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
    select: `(batch, shared) -> {"x", "label", "index", ...}`, inside the step,
      finished. Images are `float32[B, H, W, C]` in [0, 1] from here on.
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


def check_classes(train: Source, test: Source) -> None:
  """Raises ValueError for splits whose classes do not fit, naming these.

  Args:
    train: What is trained on, of two classes or more.
    test: What is evaluated, of the same classes; it may lack some.
  """
  trained = train.present or train.class_names
  tested = test.present or test.class_names
  lacking = [name for name in tested if name not in trained]
  message = ""
  if len(trained) < 2:
    message = f"data.train must have two classes or more, got {list(trained)}"
  elif lacking:
    message = f"data.test has classes that data.train lacks: {lacking}"
  elif train.class_names != test.class_names:
    message = (
        "data.train and data.test must list the same classes, got"
        f" {list(train.class_names)} and {list(test.class_names)}"
    )
  if message:
    raise ValueError(f"{message}; add images, or take the odd classes out")


def keys_of(builder: Any) -> tuple[Any, str]:
  """Input and label keys of a TFDS builder: its own, or those that images have.

  Args:
    builder: The builder.

  Returns:
    The two; the former is a dict where each column is a feature.
  """
  return builder.info.supervised_keys or ("image", "label")


def check_split(builder: Any, name: str, split: str) -> None:
  """Raises ValueError for a split, or a slice of one, that a builder lacks.

  Args:
    builder: Of the dataset.
    name: Of the dataset.
    split: In TFDS syntax.
  """
  splits = builder.info.splits
  if split.split("[")[0] not in splits:
    raise ValueError(
        f"dataset {name!r} has no split {split!r};"
        f" {names.suggest(split, splits)}"
    )


def example_of(source: Source, arrays: Arrays) -> Arrays:
  """One row of zeros like one row of `[B, ...]` arrays, as `select` gives it."""
  zeros = {k: np.zeros((1, *v.shape[1:]), v.dtype) for k, v in arrays.items()}
  return jax.device_get(source.finish(zeros, source.shared()))

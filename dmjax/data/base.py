"""What the pipelines share: their interface, and reading one example."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from PIL import Image

from dmjax.data import crops

Arrays = dict[str, np.ndarray]


class Pipeline(NamedTuple):
  """A split as batches.

  Attributes:
    size: Number of examples.
    class_names: Names of the classes.
    image_shape: `(H, W, C)`.
    shared: Arrays that every step needs, placed on the devices once.
    batches: `(batch_size, seed, position) -> Stream` of training batches of
      this process, from a position that a stream gave, or None.
    rows: `row numbers -> batch` of those rows.
    select: `(batch, shared) -> {"image": uint8, "label"}`, inside the step.
  """

  size: int
  class_names: tuple[str, ...]
  image_shape: tuple[int, int, int]
  shared: dict[str, jax.Array]
  batches: Callable[..., "Stream"]
  rows: Callable[[np.ndarray], Arrays]
  select: Callable[..., dict[str, jax.Array]]

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


def read(split, index, image_size, resize=0):
  """Pixels and label of an example, resized to a square if `image_size`."""
  image, label = read_whole(split, index)
  if image_size and (resize or image.shape[:2] != (image_size, image_size)):
    square = crops.central_crop(to_picture(image), image_size, resize)
    image = to_pixels(square)
  return image, label


def read_whole(split, index):
  """Pixels and label of an example; ValueError for a label out of range."""
  image, label = split.read(index)
  if not 0 <= label < len(split.class_names):
    raise ValueError(
        f"label of example {index} must lie in [0, {len(split.class_names)}), got"
        f" {label}"
    )
  return image, label


def to_picture(image: np.ndarray) -> Image.Image:
  """Pixels `uint8[H, W, C]` as a picture, grey for C = 1."""
  return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)


def to_pixels(picture: Image.Image) -> np.ndarray:
  """A picture as `uint8[H, W, C]`."""
  pixels = np.asarray(picture)
  return pixels[..., None] if pixels.ndim == 2 else pixels

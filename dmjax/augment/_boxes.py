"""Boxes `(top, left, height, width)` in pixels, not always whole numbers."""

from collections.abc import Sequence
from types import ModuleType

import jax
import jax.numpy as jnp
import numpy as np


def first_fitting(
    numpy: ModuleType,
    draws: jax.Array | np.ndarray,
    shape: Sequence[int],
    scale: Sequence[float],
    ratio: Sequence[float],
) -> tuple[jax.Array, jax.Array]:
  """The first of several random boxes that lies within an image.

  A box has `scale` times the area of the image and the aspect `ratio`,
  log-uniform; its place is uniform. All published recipes draw ten.

  Args:
    numpy: `numpy` or `jax.numpy`, to compute with.
    draws: `[4, n]`, uniform in [0, 1): what n boxes are made of.
    shape: `(H, W)`.
    scale: Range of the area, as a share of the image's.
    ratio: Range of the aspect, width to height.

  Returns:
    The box, `[4]`, and whether any of the n was within the image.

  Example:
    >>> draws = np.full((4, 10), 0.5)
    >>> box, found = augment.first_fitting(
    ...     np, draws, shape=(8, 8), scale=(0.25, 0.25), ratio=(1.0, 1.0)
    ... )
    >>> print(box, found)
    [2. 2. 4. 4.] True
  """
  low, high = np.log(ratio[0]), np.log(ratio[1])
  areas = (scale[0] + draws[0] * (scale[1] - scale[0])) * shape[0] * shape[1]
  aspects = numpy.exp(low + draws[1] * (high - low))
  heights, widths = numpy.sqrt(areas / aspects), numpy.sqrt(areas * aspects)
  fits = (heights <= shape[0]) & (widths <= shape[1])
  first = numpy.argmax(fits)
  height, width = heights[first], widths[first]
  top = draws[2, first] * (shape[0] - height)
  left = draws[3, first] * (shape[1] - width)
  return numpy.stack([top, left, height, width]), numpy.any(fits)


def largest_central(
    shape: Sequence[int], ratio: Sequence[float]
) -> np.ndarray:
  """The largest box in the middle whose aspect lies within `ratio`.

  Args:
    shape: `(H, W)`.
    ratio: Range of the aspect, width to height.

  Returns:
    The box, `[4]`.

  Example:
    >>> print(augment.largest_central((8, 16), ratio=(0.75, 1.25)))
    [ 0.  3.  8. 10.]
  """
  height = min(shape[0], shape[1] / ratio[0])
  width = min(shape[1], shape[0] * ratio[1])
  return np.array([
      (shape[0] - height) / 2, (shape[1] - width) / 2, height, width
  ])


def inside(
    shape: Sequence[int], start: jax.Array, stop: jax.Array
) -> jax.Array:
  """`bool[H, W, 1]`, true where `start <= (row, column) < stop`."""
  rows, columns = (
      (jnp.arange(side) >= low) & (jnp.arange(side) < high)
      for side, low, high in zip(shape, start, stop)
  )
  return (rows[:, None] & columns[None, :])[..., None]

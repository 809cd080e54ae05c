"""Resampling: every pixel becomes a weighted sum of others.

What treats rows and columns alike is a matrix for each axis, or the places that
each axis is read at. These are made on the host, one for each severity.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np


def separable(
    image: jax.Array, rows: jax.Array, columns: jax.Array
) -> jax.Array:
  """Multiplies both axes of an image with matrices.

  Args:
    image: `[H, W, C]`.
    rows: `[h, H]`.
    columns: `[w, W]`.

  Returns:
    `[h, w, C]`.
  """
  # Exact, for GPUs would round the factors to 10 bits.
  return jnp.einsum(
      "ij,jkc,lk->ilc", rows, image, columns,
      precision=jax.lax.Precision.HIGHEST,
  )


def blur_matrices(
    size: int, sigmas: Sequence[float], truncate: float, mode: str
) -> np.ndarray:
  """Gaussian blurs of one axis, as `scipy.ndimage.gaussian_filter1d` has them.

  Args:
    size: Of the axis.
    sigmas: K standard deviations in pixels; 0 leaves everything as it is.
    truncate: Standard deviations that a filter reaches.
    mode: What stands outside: `edge`, or `symmetric` as in `np.pad`.

  Returns:
    `float64[K, size, size]`, whose rows sum to 1.
  """
  return np.stack([_blur_matrix(size, s, truncate, mode) for s in sigmas])


def _blur_matrix(size, sigma, truncate, mode):
  reach = int(truncate * sigma + 0.5)
  offsets = np.arange(-reach, reach + 1)
  weights = np.exp(-0.5 * (offsets / max(sigma, 1e-9)) ** 2)
  # What each weight of a row falls on.
  places = np.pad(np.arange(size), reach, mode=mode)
  places = np.lib.stride_tricks.sliding_window_view(places, len(offsets))
  matrix = np.zeros((size, size))
  np.add.at(matrix, (np.arange(size)[:, None], places), weights / weights.sum())
  return matrix


def box_matrix(size: int, new: int) -> np.ndarray:
  """Resizing of one axis with PIL's `BOX`: means of whole pixels, or copies.

  Args:
    size: Of the axis.
    new: Size that it gets.

  Returns:
    `float64[new, size]`, whose rows sum to 1.
  """
  places, scale = np.arange(size), size / new
  centres = (np.arange(new)[:, None] + 0.5) * scale
  # Ties between two pixels fall as they do in PIL, rounding errors included.
  width = max(scale, 1.0)
  distance = (places - centres + 0.5) * (1 / width)
  inside = (distance > -0.5) & (distance <= 0.5)
  inside &= places >= np.floor(centres - width / 2 + 0.5)
  inside &= places < np.floor(centres + width / 2 + 0.5)
  return inside / inside.sum(axis=1, keepdims=True)


def zoom_places(size: int, zoom: np.ndarray) -> np.ndarray:
  """Where an axis is read when its middle is magnified.

  A middle part of `ceil(size / zoom)` pixels is stretched, its first and last
  pixels staying first and last, as `scipy.ndimage.zoom` does it, and trimmed.

  Args:
    size: Of the axis.
    zoom: At least 1, `float64[...]`.

  Returns:
    Places on the axis, `float64[..., size]`.
  """
  zoom = np.asarray(zoom)[..., None]
  part = np.ceil(size / zoom)
  stretched = np.round(part * zoom)
  trimmed = (stretched - size) // 2
  step = (part - 1) / np.maximum(stretched - 1, 1)
  return (size - part) // 2 + (np.arange(size) + trimmed) * step


def read_at(image: jax.Array, rows: jax.Array, columns: jax.Array) -> jax.Array:
  """Reads an image between its pixels, bilinearly.

  Args:
    image: `[H, W, C]`.
    rows: Places in [0, H - 1], `[h]`.
    columns: Places in [0, W - 1], `[w]`.

  Returns:
    `[h, w, C]`.
  """
  image = _read_rows(image, rows).swapaxes(0, 1)
  return _read_rows(image, columns).swapaxes(0, 1)


def _read_rows(image, places):
  low = jnp.floor(places).astype(jnp.int32)
  share = (places - low)[:, None, None]
  high = jnp.minimum(low + 1, image.shape[0] - 1)
  return (1 - share) * image[low] + share * image[high]


def trail(
    image: jax.Array, angle: jax.Array, radius: jax.Array, sigma: jax.Array,
    longest: int,
) -> jax.Array:
  """Motion blur as ImageMagick has it: half a Gaussian along a line.

      y[p] = sum_i w_i x[p + round(i (sin a, cos a))],  w_i ~ exp(-i^2 / 2 s^2)

  for i from 0 to twice the radius. Pixels at the edge stand for those outside.

  Args:
    image: `[H, W, C]`.
    angle: Of the line, in degrees: 0 points to the right, 90 downwards.
    radius: In pixels.
    sigma: Standard deviation in pixels.
    longest: Largest radius. What lies further than the image is long is left
      out.

  Returns:
    `[H, W, C]`.
  """
  steps = np.arange(min(2 * longest + 1, max(image.shape[:2])))
  weights = jnp.exp(-0.5 * (steps / sigma) ** 2) * (steps <= 2 * radius)
  weights = weights / jnp.sum(weights)
  reach = len(steps) - 1
  starts = reach + _line(steps, jnp.deg2rad(angle))
  padded = jnp.pad(image, ((reach, reach), (reach, reach), (0, 0)), mode="edge")

  def add(i, total):
    moved = jax.lax.dynamic_slice(padded, (*starts[i], 0), image.shape)
    return total + weights[i] * moved

  return jax.lax.fori_loop(0, len(steps), add, jnp.zeros_like(image))


def _line(steps, angle):
  """Rows and columns of the pixels along a line, `int32[N, 2]`."""
  line = jnp.stack([steps * jnp.sin(angle), steps * jnp.cos(angle)], axis=1)
  # Halves are rounded down, as ImageMagick does it.
  return jnp.ceil(line - 0.5).astype(jnp.int32)

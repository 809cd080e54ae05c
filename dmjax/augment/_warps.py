"""Affine warps, as PIL's `Image.transform` does them.

A matrix `float32[2, 3]` says where a pixel comes from: from the column
`a x + b y + c` and the row `d x + e y + f`. The centre of the first pixel lies
at (1/2, 1/2).
"""

import jax
import jax.numpy as jnp
import numpy as np

from dmjax.augment import _spaces


def _rotate(amount, shape, space):
  """Around the middle."""
  angle = jnp.deg2rad(space.degrees) * amount
  cos, sin = jnp.cos(angle), jnp.sin(angle)
  x, y = shape[1] / 2, shape[0] / 2
  return cos, -sin, x - cos * x + sin * y, sin, cos, y - sin * x - cos * y


# The matrix for an amount in [-1, 1], and `(H, W)`.
MATRICES = {
    "rotate": _rotate,
    "shear_x": lambda v, _, space: (1, space.shear * v, 0, 0, 1, 0),
    "shear_y": lambda v, _, space: (1, 0, 0, space.shear * v, 1, 0),
    "translate_x": lambda v, s, space: (1, 0, space.shift(v, s[1]), 0, 1, 0),
    "translate_y": lambda v, s, space: (1, 0, 0, 0, 1, space.shift(v, s[0])),
}


def warp(
    image: jax.Array,
    which: jax.Array,
    amount: jax.Array,
    fill: jax.Array,
    space: _spaces.Space,
) -> jax.Array:
  """Moves the pixels of an image by one of the matrices.

  Args:
    image: `float32[H, W, C]` in [0, 1].
    which: Row of `MATRICES`, clipped.
    amount: In [-1, 1].
    fill: `float32[1, 1, C]`, colour of what comes from outside the image.
    space: How far an amount of 1 goes.

  Returns:
    `float32[H, W, C]` in [0, 1].
  """
  branches = [
      lambda matrix=matrix: jnp.stack(
          [jnp.float32(m) for m in matrix(amount, image.shape[:2], space)]
      )
      for matrix in MATRICES.values()
  ]
  return affine(image, jax.lax.switch(which, branches), fill)


def affine(image: jax.Array, matrix: jax.Array, fill: jax.Array) -> jax.Array:
  """Takes each pixel from where the matrix `float32[6]` says, bicubically."""
  height, width, _ = image.shape
  a, b, c, d, e, f = matrix
  y, x = (np.indices((height, width)) + 0.5).astype(np.float32)
  x, y = a * x + b * y + c, d * x + e * y + f
  inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
  moved = jnp.clip(_interpolate(image, x, y), 0, 1)
  return jnp.where(inside[..., None], moved, fill)


def _interpolate(image, x, y):
  """The values at `x` and `y`, `[H, W]`, from 4 x 4 pixels around each."""
  height, width, channels = image.shape
  flat = image.reshape(-1, channels)
  total = jnp.zeros_like(image)
  for row, row_weight in _taps(y, height):
    for column, column_weight in _taps(x, width):
      pixels = flat.at[row * width + column].get(mode="promise_in_bounds")
      total += (row_weight * column_weight)[..., None] * pixels
  return total


def _taps(place, size):
  """The four pixels around a place along one axis, and the weight of each.

  Keys' cubic kernel with a = -1, which PIL has for transforms; its resizing,
  as jax.image's, has a = -1/2.
  """
  first = jnp.floor(place - 0.5)
  d = place - 0.5 - first
  e = 1 - d
  weights = -d * e**2, 1 - d**2 * (1 + e), 1 - e**2 * (1 + d), -e * d**2
  first = first.astype(jnp.int32)
  return [
      (jnp.clip(first + i, 0, size - 1), weight)
      for i, weight in zip((-1, 0, 1, 2), weights)
  ]

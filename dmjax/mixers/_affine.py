"""Affine warps of images by bilinear sampling (arXiv 1506.02025)."""

import jax
import jax.numpy as jnp
import numpy as np

IDENTITY = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))


def affine_sample(x: jax.Array, theta: jax.Array) -> jax.Array:
  """Takes each pixel from where an affine map says, bilinearly.

      (u', v') = theta (u, v, 1)

  u goes to the right and v down, from -1 to 1 between the outer edges of the
  image, whatever its size. The identity gives the image back exactly. What lies
  outside of it is 0. Gradients reach both arguments.

  Args:
    x: Images `[B, H, W, C]`, floating.
    theta: `float[B, 2, 3]`.

  Returns:
    The warped images, shape and dtype of `x`.

  Raises:
    ValueError: For shapes that do not fit.

  Example:
    >>> key = jax.random.key(0)
    >>> x = jax.random.uniform(key, (4, 8, 8, 3))
    >>> identity = jnp.eye(2, 3)[None].repeat(4, axis=0)
    >>> bool(jnp.allclose(mixers.affine_sample(x, identity), x))
    True
  """
  if x.ndim != 4 or theta.shape != (x.shape[0], 2, 3):
    raise ValueError(
        "theta must be [B, 2, 3] for images [B, H, W, C], got shapes"
        f" {theta.shape} and {x.shape}"
    )
  return jax.vmap(_warp)(x, theta.astype(jnp.float32)).astype(x.dtype)


def _warp(image, theta):
  """Of one image; in pixels from its middle, where the identity is exact."""
  height, width, _ = image.shape
  middle = (height - 1) / 2, (width - 1) / 2
  down, right = np.indices((height, width), np.float32)
  down, right = down - middle[0], right - middle[1]
  column = theta[0, 0] * right + theta[0, 1] * down * (width / height)
  row = theta[1, 0] * right * (height / width) + theta[1, 1] * down
  column += theta[0, 2] * (width / 2) + middle[1]
  row += theta[1, 2] * (height / 2) + middle[0]
  return _bilinear(image.astype(jnp.float32), row, column)


def _bilinear(image, row, column):
  """The values between the four pixels around each place `[H, W]`."""
  height, width, _ = image.shape
  total = jnp.zeros_like(image)
  for i in (jnp.floor(row), jnp.floor(row) + 1):
    for j in (jnp.floor(column), jnp.floor(column) + 1):
      weight = (1 - jnp.abs(row - i)) * (1 - jnp.abs(column - j))
      inside = (i >= 0) & (i < height) & (j >= 0) & (j < width)
      at = jnp.clip(i, 0, height - 1), jnp.clip(j, 0, width - 1)
      pixels = image[at[0].astype(jnp.int32), at[1].astype(jnp.int32)]
      total += jnp.where(inside, weight, 0.0)[..., None] * pixels
  return total

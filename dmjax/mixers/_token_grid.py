"""The tokens of a vision transformer as a grid over the image."""

import jax
import jax.numpy as jnp
import numpy as np


def grid_of(x: jax.Array, attention: jax.Array) -> tuple[int, int]:
  """Rows and columns of the tokens of images `[B, H, W, C]`.

  Patches are taken to be square, so the grid has the aspect of the image: T
  tokens are `round(sqrt(T H / W))` rows of `round(sqrt(T W / H))`.

  Raises:
    ValueError: Unless attention is `[B, T]` with a T that is such a grid.
  """
  if attention.ndim != 2 or attention.shape[0] != x.shape[0]:
    raise ValueError(
        f"attention must be [B, T] with B={x.shape[0]} as in x, got shape"
        f" {attention.shape}"
    )
  (height, width), tokens = x.shape[1:3], attention.shape[1]
  rows = round((tokens * height / width) ** 0.5)
  columns = round((tokens * width / height) ** 0.5)
  if not tokens or rows * columns != tokens:
    raise ValueError(
        f"attention must have one value per patch of an image of {height}x"
        f"{width} pixels, without the class token; {tokens} is no such grid"
    )
  return rows, columns


def maps_of(attention: jax.Array, grid: tuple[int, int]) -> jax.Array:
  """`[B, T]` -> `float32[B, rows, columns]`, a constant for gradients."""
  attention = jax.lax.stop_gradient(attention).astype(jnp.float32)
  return attention.reshape(-1, *grid)


def resize(mask: jax.Array, shape: tuple[int, ...]) -> jax.Array:
  """`[B, h, w]` -> `[B, *shape]` by the nearest neighbour, up or down.

  Cell i of n reads cell `floor(i m / n)` of m, as in the published codes: a
  token takes the value of the mask at its first pixel.
  """
  rows, columns = (
      np.arange(n) * m // n for n, m in zip(shape, mask.shape[1:3], strict=True)
  )
  return mask[:, rows[:, None], columns[None, :]]


def cell_shares(mask: jax.Array, grid: tuple[int, int]) -> jax.Array:
  """The mean of a mask over each cell of a grid.

  Pixels that lie in several cells count in each by their area.

  Args:
    mask: `[B, H, W]`.
    grid: Rows and columns of cells, any.

  Returns:
    `float32[B, *grid]`.

  Example:
    >>> mask = jnp.arange(16.0).reshape(1, 4, 4)
    >>> print(mixers.cell_shares(mask, (2, 2)))
    [[[ 2.5  4.5]
      [10.5 12.5]]]
  """
  mask = mask.astype(jnp.float32)
  rows, columns = (
      jnp.asarray(_overlaps(n, m))
      for n, m in zip(grid, mask.shape[1:3], strict=True)
  )
  return jnp.einsum("rh,bhw,cw->brc", rows, mask, columns, precision="highest")


def _overlaps(cells, pixels):
  """`[cells, pixels]`: which share of a cell each pixel is, along one axis."""
  cell, pixel = np.arange(cells)[:, None] / cells, np.arange(pixels) / pixels
  start = np.maximum(cell, pixel)
  stop = np.minimum(cell + 1 / cells, pixel + 1 / pixels)
  return (cells * np.maximum(stop - start, 0)).astype(np.float32)


def share(
    own: jax.Array, other: jax.Array, fallback: jax.Array
) -> jax.Array:
  """`own / (own + other)`, and the fallback where both are 0.

  Exactly 1 where `other` is 0 and exactly 0 where `own` is.
  """
  total = own + other
  ratio = own / jnp.where(total > 0, total, 1.0)
  return jnp.where(total > 0, ratio, fallback)


def attended_share(mask: jax.Array, attention: jax.Array) -> jax.Array:
  """The share of the attention that falls on source 0: `sum m A / sum A`.

  Args:
    mask: Share of source 0 in each pixel, `[B, H, W, 1]`.
    attention: `[B, T]`, not negative.

  Returns:
    `float32[B]`; the mean of the mask where all attention is 0.
  """
  grid = grid_of(mask, attention)
  maps, kept = maps_of(attention, grid), resize(mask[..., 0], grid)
  own = jnp.sum(maps * kept, axis=(1, 2))
  other = jnp.sum(maps * (1 - kept), axis=(1, 2))
  return share(own, other, jnp.mean(mask, axis=(1, 2, 3)))

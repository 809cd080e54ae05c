"""The transport step of Puzzle Mix: tiles move to where the mask shows them."""

import functools

import jax
import jax.numpy as jnp

from dmjax.mixers import _core
from dmjax.mixers import _grids


def check_tiles(shape: tuple[int, ...], blocks: int, tile: int | None) -> None:
  """Raises ValueError unless an image falls into tiles of one size."""
  rows, columns = _tiles_per_side(shape, blocks, tile)
  if shape[0] % rows or shape[1] % columns:
    raise ValueError(
        f"transport needs tiles of one size, but x has {shape[0]}x{shape[1]}"
        f" pixels for {rows}x{columns} tiles; choose blocks and tile that"
        " divide the sides, or transport=False"
    )


def moves(
    share: jax.Array, saliency: jax.Array, *, tile: int | None, price: float
) -> jax.Array:
  """Which pixel moves to each pixel.

  Args:
    share: Share of the image in each block, `[B, n, n]`.
    saliency: Saliency of the image, `[B, H, W]`.
    tile: Side of a tile in pixels; None or anything larger means a block.
    price: Cost of crossing the image, against which saliency is weighed.

  Returns:
    Indices into the H W pixels, `int32[B, H, W]`.
  """
  shape = saliency.shape[1:]
  tiles = _tiles_per_side(shape, share.shape[1], tile)
  shown = _grids.to_pixels(share > 0, tiles)
  move = functools.partial(_assign, price=price)
  sources = jax.vmap(move)(_grids.block_shares(saliency, *tiles), shown)
  return _pixels(sources, shape)


def gather(x: jax.Array, index: jax.Array) -> jax.Array:
  """The pixels `index` of images `[B, H, W, C]`."""
  batch, height, width, channels = x.shape
  pixels = x.reshape(batch, height * width, channels)
  index = index.reshape(batch, height * width, 1)
  return jnp.take_along_axis(pixels, index, axis=1).reshape(x.shape)


def _tiles_per_side(shape, blocks, tile):
  """Rows and columns of tiles; a block holds a whole number of them."""
  if tile is None:
    return blocks, blocks
  return tuple(blocks * max(1, side // blocks // tile) for side in shape)


def _assign(share, shown, *, price):
  """The tile that moves to each tile of one image, `int32[h, w]`.

  Salient tiles bid for the places that are shown. In every round each tile
  picks its cheapest place, the cheapest of those that picked the same place
  wins it, and the place becomes dearer by 1 for the losers. Places that nobody
  won keep their own tile, where the official code leaves them black.
  """
  rows, columns = share.shape
  tiles = rows * columns
  cost = price * _distances(rows, columns) - (
      share.reshape(-1, 1) * shown.reshape(1, -1)
  )
  places = jnp.arange(tiles)

  def bid(_, state):
    cost, _ = state
    picked = jnp.argmin(cost, axis=1)[:, None] == places[None, :]
    winner = jnp.argmin(jnp.where(picked, cost, jnp.inf), axis=0)
    won = picked & (places[:, None] == winner[None, :])
    return cost + (picked & ~won), won

  start = (cost, _core.vary_with(jnp.eye(tiles, dtype=bool), cost))
  _, won = jax.lax.fori_loop(0, max(rows, columns), bid, start)
  source = jnp.where(jnp.any(won, axis=0), jnp.argmax(won, axis=0), places)
  return source.astype(jnp.int32).reshape(rows, columns)


def _distances(rows, columns):
  """Squared distances of tiles, each side of the image having length 1."""

  def along(side):
    position = jnp.arange(side)
    # Whole numbers first: equal distances must tie, whatever the rounding.
    steps = jnp.square(position[:, None] - position[None, :])
    return steps / max(side - 1, 1) ** 2

  down, right = along(rows), along(columns)
  distance = down[:, None, :, None] + right[None, :, None, :]
  return distance.reshape(rows * columns, rows * columns)


def _pixels(sources, shape):
  """Tile indices `[B, h, w]` to pixel indices `[B, H, W]`."""
  rows, columns = sources.shape[1:]
  height, width = shape[0] // rows, shape[1] // columns
  source = _grids.to_pixels(sources, shape)
  row, column = source // columns, source % columns
  y = row * height + (jnp.arange(shape[0]) % height)[None, :, None]
  x = column * width + (jnp.arange(shape[1]) % width)[None, None, :]
  return (y * shape[1] + x).astype(jnp.int32)

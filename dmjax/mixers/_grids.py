"""Images as grids of blocks, and the solver that labels such grids."""

import functools

import jax
import jax.numpy as jnp

from dmjax.mixers import _core

# Towards the upper, lower, left and right neighbour: an axis, and the roll
# along it that brings the neighbour's value to the cell.
_NEIGHBOURS = ((0, 1), (0, -1), (1, 1), (1, -1))
_OPPOSITE = (1, 0, 3, 2)

# Checkerboard sweeps after message passing. More change next to nothing.
_SWEEPS = 2


def grid_labels(
    unary: jax.Array,
    pair_rows: jax.Array,
    pair_cols: jax.Array,
    *,
    distance: jax.Array | None = None,
    iterations: int = 20,
) -> jax.Array:
  """Labels grids of cells at a low energy, whole batches at once.

      E(l) = sum_p unary[p, l_p] + sum_pq pair_pq distance[l_p, l_q]

  over cells p and pairs (p, q) of vertical and horizontal neighbours. Loopy
  min-sum belief propagation of fixed length proposes labels, and checkerboard
  sweeps of iterated conditional modes, which never raise the energy, finish
  them. Approximate: exact graph cuts have no fixed shapes. No iterations at
  all leave the sweeps, started at the cheapest label of each cell.

  Args:
    unary: Cost of each label in each cell, `[B, h, w, L]`.
    pair_rows: Coupling of a cell with the one below it, `[B, h - 1, w]`.
    pair_cols: Coupling of a cell with the one to its right, `[B, h, w - 1]`.
    distance: Symmetric distances of labels, `[L, L]`; by default those of L
      levels spread evenly over [0, 1], squared: (l - l')^2 / (L - 1)^2.
    iterations: Rounds of message passing; 20 cross a grid of 16 cells.

  Returns:
    Labels `int32[B, h, w]`.

  Raises:
    ValueError: For couplings or distances that do not fit the unary costs.

  Example:
    >>> unary = jnp.zeros((1, 2, 2, 2)).at[0, 0, 0, 0].set(5.0)
    >>> rows, columns = jnp.ones((1, 1, 2)), jnp.ones((1, 2, 1))
    >>> print(mixers.grid_labels(unary, rows, columns))
    [[[1 1]
      [1 1]]]
  """
  _check_grid(unary, pair_rows, pair_cols, distance)
  if distance is None:
    level = jnp.arange(unary.shape[-1]) / max(unary.shape[-1] - 1, 1)
    distance = jnp.square(level[:, None] - level[None, :])
  unary, pair_rows, pair_cols, distance = (
      jnp.asarray(a, jnp.float32)
      for a in (unary, pair_rows, pair_cols, distance)
  )
  solve = functools.partial(
      _label_one, distance=distance, iterations=iterations
  )
  return jax.vmap(solve)(unary, pair_rows, pair_cols)


def _check_grid(unary, pair_rows, pair_cols, distance):
  if unary.ndim != 4:
    raise ValueError(f"unary must be [B, h, w, L], got shape {unary.shape}")
  batch, height, width, labels = unary.shape
  if pair_rows.shape != (batch, height - 1, width):
    raise ValueError(
        f"pair_rows must have shape {(batch, height - 1, width)} for unary"
        f" {unary.shape}, got {pair_rows.shape}"
    )
  if pair_cols.shape != (batch, height, width - 1):
    raise ValueError(
        f"pair_cols must have shape {(batch, height, width - 1)} for unary"
        f" {unary.shape}, got {pair_cols.shape}"
    )
  if distance is not None and distance.shape != (labels, labels):
    raise ValueError(
        f"distance must have shape {(labels, labels)}, got {distance.shape}"
    )


def _label_one(unary, pair_rows, pair_cols, *, distance, iterations):
  """One grid, `[h, w, L]` -> `int32[h, w]`."""
  # A coupling of zero stands for the neighbour that a border cell lacks.
  coupling = jnp.stack([
      jnp.pad(pair_rows, ((1, 0), (0, 0))),
      jnp.pad(pair_rows, ((0, 1), (0, 0))),
      jnp.pad(pair_cols, ((0, 0), (1, 0))),
      jnp.pad(pair_cols, ((0, 0), (0, 1))),
  ])
  step = functools.partial(_pass_messages, unary, coupling, distance)
  messages = _core.vary_with(
      jnp.zeros((4, *unary.shape)), unary, coupling, distance
  )
  messages = jax.lax.fori_loop(0, iterations, lambda _, m: step(m), messages)
  labels = jnp.argmin(unary + jnp.sum(messages, axis=0), axis=-1)
  sweep = functools.partial(_sweep, unary, coupling, distance)
  return jax.lax.fori_loop(
      0, 2 * _SWEEPS, sweep, labels.astype(jnp.int32)
  )


def _pass_messages(unary, coupling, distance, messages):
  """Every cell tells its four neighbours what each of their labels costs it."""
  belief = unary + jnp.sum(messages, axis=0)
  # What a neighbour says must not hold what it was told by this cell.
  told = jnp.stack([
      jnp.roll(belief - messages[_OPPOSITE[d]], shift, axis)
      for d, (axis, shift) in enumerate(_NEIGHBOURS)
  ])
  change = coupling[..., None, None] * distance[None, None, None]
  messages = jnp.min(told[..., None] + change, axis=-2)
  return messages - jnp.min(messages, axis=-1, keepdims=True)


def _sweep(unary, coupling, distance, turn, labels):
  """The best labels of every other cell, given those of their neighbours."""
  cost = unary
  for pair, (axis, shift) in zip(coupling, _NEIGHBOURS, strict=True):
    cost = cost + pair[..., None] * distance[jnp.roll(labels, shift, axis)]
  height, width = labels.shape
  colour = (jnp.arange(height)[:, None] + jnp.arange(width)[None, :]) % 2
  best = jnp.argmin(cost, axis=-1).astype(jnp.int32)
  return jnp.where(colour == turn % 2, best, labels)


def check_saliency(saliency: jax.Array, x: jax.Array) -> None:
  """Raises ValueError unless there is a map `[B, H, W]` for images `x`."""
  if jnp.shape(saliency) != x.shape[:3]:
    raise ValueError(
        f"saliency must have shape {x.shape[:3]}, one map per image of x, got"
        f" {jnp.shape(saliency)}"
    )


def check_blocks(blocks: int, shape: tuple[int, ...]) -> None:
  """Raises ValueError unless an image has that many blocks on each side."""
  if not 1 <= blocks <= min(shape):
    raise ValueError(
        f"blocks must lie in [1, {min(shape)}] for images of"
        f" {shape[0]}x{shape[1]} pixels, got {blocks}"
    )


def block_of_pixel(side: int, blocks: int) -> jax.Array:
  """The block each pixel of a side belongs to, `int32[side]`.

  All blocks are equal where their number divides the side; otherwise they
  differ by one pixel, so that images of any size need no cropping or padding.
  """
  return jnp.arange(side, dtype=jnp.int32) * blocks // side


def block_means(images: jax.Array, rows: int, columns: int) -> jax.Array:
  """Averages over blocks, `[..., H, W]` -> `[..., rows, columns]`."""
  height, width = images.shape[-2:]
  return jnp.einsum(
      "ih,...hw,jw->...ij",
      _averages(height, rows),
      images,
      _averages(width, columns),
      precision=jax.lax.Precision.HIGHEST,
  )


def _averages(side, blocks):
  """The matrix that averages over blocks, `[blocks, side]`."""
  inside = jax.nn.one_hot(block_of_pixel(side, blocks), blocks, axis=0)
  return inside / jnp.sum(inside, axis=1, keepdims=True)


def block_shares(saliency: jax.Array, rows: int, columns: int) -> jax.Array:
  """Each block's share of the saliency, `[..., H, W]` -> `[..., h, w]`."""
  means = block_means(saliency.astype(jnp.float32), rows, columns)
  total = jnp.sum(means, axis=(-2, -1), keepdims=True)
  # An image without any saliency has no preference: zeros, not NaN.
  return means / jnp.where(total > 0, total, 1.0)


def to_pixels(grid: jax.Array, shape: tuple[int, ...]) -> jax.Array:
  """Nearest neighbour upsampling, `[..., h, w]` -> `[..., H, W]`."""
  rows = block_of_pixel(shape[0], grid.shape[-2])
  columns = block_of_pixel(shape[1], grid.shape[-1])
  return grid[..., rows[:, None], columns[None, :]]

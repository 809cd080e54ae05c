"""Mixers that choose what to paste among the tokens of a vision transformer."""

import functools

import jax
import jax.numpy as jnp

from dmjax.mixers import _boxes
from dmjax.mixers import _core
from dmjax.mixers import _token_grid

# Rectangles proposed when a mask grows from blocks. On 14 x 14 tokens they make
# up all of a mask of half of them, and 93 % of one of nine tenths.
_PROPOSALS = 24


def tokenmix(
    key: jax.Array,
    x: jax.Array,
    *,
    attention: jax.typing.ArrayLike,
    alpha: float = 1.0,
    lam: jax.typing.ArrayLike | None = None,
    partner: str | jax.typing.ArrayLike = "permutation",
    per_batch: bool = False,
    mode: str = "block",
) -> _core.Mixed:
  """Pastes tokens, labels weighed by their scores (arXiv 2207.08409).

      n = round((1 - lam) T) tokens of j are pasted, m = 0 there and 1 elsewhere
      s_i = sum m A_i / sum A_i,   s_j = sum (1 - m) A_j / sum A_j
      weight of i = s_i / (s_i + s_j)

  with A the attention of the *raw* images: of the model itself, or the scores
  of a teacher for the true class, as in the authors' code. Blocks are random
  rectangles of an area up to what is missing and an aspect in [0.3, 1 / 0.3].

  What differs from the published codes. The authors' loop runs until a block
  does not fit in ten attempts and may miss n; here the number of proposals is
  fixed, and random tokens complete n exactly. The authors fix lambda at 0.5 and
  add 14 of 196 tokens: that is `lam=3 / 7`. OpenMixup adds them too but draws
  lambda; nothing is added here. Neither code lets the two shares sum to 1, and
  OpenMixup sums the scores of i where j is seen and those of j where i is.

  Args:
    key: PRNG key.
    x: Images `[B, H, W, C]`, floating.
    attention: `[B, T]`, not negative: scores of the patches of raw images.
    alpha: lambda ~ Beta(alpha, alpha).
    lam: Fixes lambda instead, a scalar or `[B]`.
    partner: `permutation`, `roll`, `flip` or `int[B]`.
    per_batch: One lambda and the same tokens for the whole batch.
    mode: `block`, or `random` for tokens one by one.

  Returns:
    The mixed batch. Its mask is that of the pixels; its mean is not the weight.

  Raises:
    ValueError: For another mode and for attention whose T is not a grid over
      the image.

  Example:
    >>> key = jax.random.key(0)
    >>> x = jax.random.uniform(key, (4, 8, 8, 3))
    >>> mixed = mixers.tokenmix(key, x, attention=jnp.ones((4, 16)), lam=0.75)
    >>> print(mixed.x.shape, mixed.weights[0])
    (4, 8, 8, 3) [0.75 0.25]
  """
  _core.check_images(x)
  if mode not in ("block", "random"):
    raise ValueError(f"mode must be block or random, got {mode!r}")
  attention = jnp.asarray(attention)
  grid = _token_grid.grid_of(x, attention)
  pairs = _core.draw(
      key, x, alpha=alpha, lam=lam, partner=partner, per_batch=per_batch
  )
  count = jnp.round((1 - pairs.lam) * attention.shape[1]).astype(jnp.int32)
  grow = _grow_blocks if mode == "block" else _random_tokens
  pasted = jax.vmap(functools.partial(grow, grid))(pairs.keys, count)
  mask = _token_grid.resize(~pasted, x.shape[1:3])
  mixed = _core.mix_by_mask(x, pairs.partner, mask)
  scores = _normalise(_token_grid.maps_of(attention, grid))
  own = jnp.sum(jnp.where(pasted, 0.0, scores), axis=(1, 2))
  other = jnp.sum(jnp.where(pasted, scores[pairs.partner], 0.0), axis=(1, 2))
  weight = _token_grid.share(own, other, mixed.weights[:, 0])
  return mixed._replace(weights=_core.pair_weights(weight))


def smmix(
    key: jax.Array,
    x: jax.Array,
    *,
    attention: jax.typing.ArrayLike,
    partner: str | jax.typing.ArrayLike = "permutation",
    per_batch: bool = False,
    sides: tuple[float, float] = (0.25, 0.75),
) -> _core.Mixed:
  """Pastes the most attended window over the least (arXiv 2212.12977).

      r ~ U{int(0.25 n), .., int(0.75 n)} for a grid of n x n tokens
      x~ = x_i, but the r x r window of i with the least attention shows the
      r x r window of j with the most;   weight of i = 1 - r^2 / n^2

  Attention is that of the *raw* images. The authors pair the batch with its
  reverse and draw one r for it; that is `partner="flip", per_batch=True`. Their
  losses of feature consistency and of the labels of the two regions belong to a
  training method and are not part of the mixer.

  Args:
    key: PRNG key.
    x: Images `[B, H, W, C]`, floating.
    attention: `[B, T]`: attention of the class token of the last block to the T
      patches, averaged over heads, for the raw images.
    partner: `permutation`, `roll`, `flip` or `int[B]`.
    per_batch: One r for the whole batch.
    sides: The least and the largest r, as shares of the shorter side.

  Returns:
    The mixed batch; its mask is 0 in the window and 1 elsewhere.

  Raises:
    ValueError: For sides that are not 0 <= least <= largest <= 1 and for
      attention whose T is not a grid over the image.

  Example:
    >>> key = jax.random.key(0)
    >>> x = jax.random.uniform(key, (4, 8, 8, 3))
    >>> mixed = mixers.smmix(key, x, attention=jnp.ones((4, 16)))
    >>> print(mixed.x.shape, mixed.mask.shape)
    (4, 8, 8, 3) (4, 8, 8, 1)
  """
  _core.check_images(x)
  if not 0 <= sides[0] <= sides[1] <= 1:
    raise ValueError(f"sides must be 0 <= least <= largest <= 1, got {sides}")
  attention = jnp.asarray(attention)
  grid = _token_grid.grid_of(x, attention)
  pairs = _core.draw(
      key, x, alpha=1.0, lam=1.0, partner=partner, per_batch=per_batch
  )
  least, largest = (max(1, int(share * min(grid))) for share in sides)
  side = jax.vmap(
      lambda key: jax.random.randint(key, (), least, largest + 1)
  )(pairs.keys)
  maps = _token_grid.maps_of(attention, grid)
  other, inside = jax.vmap(_paste_window)(
      maps, maps[pairs.partner], x[pairs.partner], side
  )
  return _core.mix_by_mask(x, pairs.partner, ~inside, other)


def _normalise(maps):
  total = jnp.sum(maps, axis=(1, 2), keepdims=True)
  return maps / jnp.where(total > 0, total, 1.0)


def _random_tokens(grid, key, count):
  order = jax.random.permutation(key, grid[0] * grid[1])
  return (order < count).reshape(grid)


def _grow_blocks(grid, key, count):
  """`bool[rows, columns]`: a union of blocks, of exactly `count` tokens."""
  block_key, fill_key = jax.random.split(key)
  proposals = jax.random.uniform(block_key, (_PROPOSALS, 4))

  def grow(mask, proposal):
    missing = count - jnp.sum(mask)
    new = _block(grid, proposal, missing) & ~mask
    return mask | (new & (jnp.sum(new) <= missing)), None

  start = _core.vary_with(jnp.zeros(grid, bool), proposals, count)
  mask, _ = jax.lax.scan(grow, start, proposals)
  # Tokens of the mask first, then the others in random order, all distinct.
  tokens = mask.size
  order = jax.random.permutation(fill_key, tokens).reshape(grid)
  rank = order + tokens * mask
  last = jnp.sort(rank.ravel())[tokens - jnp.maximum(count, 1)]
  return (rank >= last) & (count > 0)


def _block(grid, proposal, missing):
  """A rectangle `bool[rows, columns]` made of four uniform numbers.

  Empty if it would not be smaller than the grid, as in the authors' code.
  """
  area = 1 + proposal[0] * jnp.maximum(missing - 1, 0)
  aspect = 0.3 ** (2 * proposal[1] - 1)
  sides = jnp.round(jnp.sqrt(jnp.stack([area * aspect, area / aspect])))
  sides, shape = sides.astype(jnp.int32), jnp.asarray(grid)
  start = jnp.floor(proposal[2:] * (shape - sides + 1)).astype(jnp.int32)
  block = _boxes.box(grid, start, start + sides)
  return block & jnp.all(sides < shape)


def _paste_window(attention, other_attention, other, side):
  """Where a window is pasted, and the other image moved so that it lies there.

  Args:
    attention: Of the image pasted on, `[rows, columns]`.
    other_attention: Of the other image.
    other: The other image, `[H, W, C]`.
    side: Side of the window in tokens.

  Returns:
    The moved image `[H, W, C]`, and `bool[H, W]`, true in the window.
  """
  grid, shape = attention.shape, other.shape[:2]
  to = _best_window(-attention, side)
  source = _best_window(other_attention, side)
  start, stop, first = (
      window * jnp.asarray(shape) // jnp.asarray(grid)
      for window in (to, to + side, source)
  )
  rows, columns = (
      jnp.clip(jnp.arange(size) - start[i] + first[i], 0, size - 1)
      for i, size in enumerate(shape)
  )
  moved = other[rows[:, None], columns[None, :]]
  return moved, _boxes.box(shape, start, stop)


def _best_window(scores, side):
  """First token `int32[2]` of the side x side window with the largest sum."""
  # A band matrix per axis sums over windows of a side that is not static.
  starts = [jnp.arange(size) for size in scores.shape]
  band = [
      ((s[None] >= s[:, None]) & (s[None] < s[:, None] + side)).astype(
          scores.dtype
      )
      for s in starts
  ]
  sums = jnp.einsum(
      "ik,kl,jl->ij", band[0], scores, band[1], precision="highest"
  )
  fits = [s <= s.size - side for s in starts]
  sums = jnp.where(fits[0][:, None] & fits[1][None, :], sums, -jnp.inf)
  return jnp.stack(jnp.unravel_index(jnp.argmax(sums), sums.shape))

"""Puzzle Mix: saliency and colour seams decide which image a block shows."""

from collections.abc import Sequence
import functools
import math

import jax
import jax.numpy as jnp

from dmjax.mixers import _checks
from dmjax.mixers import _core
from dmjax.mixers import _grids
from dmjax.mixers import _tiles


def puzzlemix(
    key: jax.Array,
    x: jax.Array,
    *,
    saliency: jax.Array,
    alpha: float = 1.0,
    lam: jax.typing.ArrayLike | None = None,
    partner: str | jax.typing.ArrayLike = "permutation",
    per_batch: bool = False,
    blocks: int | Sequence[int] = (2, 4, 8, 16),
    levels: int = 3,
    beta: float = 1.2,
    gamma: float = 0.5,
    eta: float = 0.2,
    cell: int = 4,
    std: jax.typing.ArrayLike = 1.0,
    transport: bool = False,
    tile: int | None = None,
    transport_cost: float = 0.8,
) -> _core.Mixed:
  """Keeps what is salient in both images (arXiv 2009.06962).

      x~ = M x_i + (1 - M) x_j,   M in {0, 1/2, 1} on a grid of n x n blocks
      M = argmin sum_p [ m_p s_j(p) + (1 - m_p) s_i(p) ]
               - eta/n^2 sum_p log P(m_p | lam)
               + beta/(16 n) sum_pq [ (m_p - m_q)^2 + gamma seam_pq(m_p, m_q) ]

  with s an image's share of saliency in a block, P a binomial prior around
  lambda, and seam the difference of colours along the border of two blocks:
  smooth masks, cut where the cut shows least. Weights are the mean of M. At
  lambda 0 or 1 nothing is mixed, however salient the other image.

  Defaults are those of the official CIFAR code, which solves the energy by
  graph cuts on the CPU; here `grid_labels` comes as close on the device. The
  official code draws one lambda per batch (`per_batch=True`). The number of
  blocks is drawn once per call in both.

  Transport then moves tiles of each image to where its mask shows them. With
  the published cost fewer than one tile in fifty moves, so it is off here.

  Args:
    key: PRNG key.
    x: Images `[B, H, W, C]`, floating.
    saliency: `[B, H, W]`, >= 0, of any scale: the norm of the input gradient
      in the paper. Treated as constant.
    alpha: lambda ~ Beta(alpha, alpha).
    lam: Fixes lambda instead, a scalar or `[B]`.
    partner: `permutation`, `roll`, `flip` or `int[B]`.
    per_batch: One lambda for the whole batch.
    blocks: Blocks per side, or several numbers to draw one from.
    levels: Number of values a mask can take, from 0 to 1.
    beta: Weight of smoothness.
    gamma: Weight of the seams, relative to beta.
    eta: Weight of the prior.
    cell: Colours are compared after averaging over cells of about that many
      pixels a side.
    std: What the images were divided by, a number or one per channel, given
      that they lay in [0, 1] before; seams are weighed in that range.
    transport: Also move tiles.
    tile: Side of a tile in pixels, 4 in the official CIFAR code; at most, and
      by default, a block.
    transport_cost: Price of moving a tile across the whole image.

  Returns:
    The mixed batch.

  Raises:
    ValueError: For saliency that does not fit the images, more blocks than
      pixels, fewer than two levels, negative weights, or transport of tiles of
      unequal size.

  Example:
    >>> key = jax.random.key(0)
    >>> x = jax.random.uniform(key, (4, 8, 8, 3))
    >>> mixed = mixers.puzzlemix(key, x, saliency=x.mean(3), blocks=2)
    >>> print(mixed.x.shape, mixed.mask.shape)
    (4, 8, 8, 3) (4, 8, 8, 1)
  """
  _core.check_images(x)
  _grids.check_saliency(saliency, x)
  blocks = (blocks,) if isinstance(blocks, int) else tuple(blocks)
  _check(x.shape[1:3], blocks, levels, cell, transport, tile)
  _checks.check_numbers(
      beta=beta, gamma=gamma, eta=eta, transport_cost=transport_cost
  )
  pair_key, block_key = jax.random.split(key)
  pairs = _core.draw(
      pair_key, x, alpha=alpha, lam=lam, partner=partner, per_batch=per_batch
  )
  pick = jax.random.randint(block_key, (), 0, len(blocks))
  mask, moves = _plan(
      pick,
      jax.lax.stop_gradient(_unit_range(x, std)),
      jax.lax.stop_gradient(saliency),
      pairs.partner,
      jax.lax.stop_gradient(pairs.lam),
      (beta, gamma, eta, transport_cost),
      blocks=blocks,
      levels=levels,
      cell=cell,
      transport=transport,
      tile=tile,
  )
  other = x[pairs.partner]
  if transport:
    x, other = (_tiles.gather(i, m) for i, m in zip((x, other), moves))
  return _core.mix_by_mask(x, pairs.partner, mask, other)


def _check(shape, blocks, levels, cell, transport, tile):
  if not blocks:
    raise ValueError("blocks must hold at least one number, got none")
  for count in blocks:
    _grids.check_blocks(count, shape)
    if transport:
      _tiles.check_tiles(shape, count, tile)
  if levels < 2:
    raise ValueError(f"levels must be at least 2, got {levels}")
  if cell < 1:
    raise ValueError(f"cell must be at least 1, got {cell}")


def _unit_range(x, std):
  """Undoes the division of normalised images; offsets cancel in seams."""
  std = jnp.broadcast_to(jnp.asarray(std, jnp.float32), x.shape[-1:])
  return x.astype(jnp.float32) * std[None, None, None]


# Compiled on its own, so that calls outside of any jit do not trace and compile
# the loops of every branch again.
@functools.partial(
    jax.jit, static_argnames=("blocks", "levels", "cell", "transport", "tile")
)
def _plan(
    pick, images, saliency, partner, lam, weights, *, blocks, levels, cell,
    transport, tile,
):
  """Masks `[B, H, W]` with `blocks[pick]` blocks, and where tiles come from."""
  *energy_weights, transport_cost = weights

  def branch(count):
    energy = functools.partial(
        _energy, blocks=count, levels=levels, cell=cell,
        weights=energy_weights,
    )
    labels = _grids.grid_labels(*jax.vmap(energy)(
        images, images[partner], saliency, saliency[partner], lam
    ))
    share = 1 - labels.astype(jnp.float32) / (levels - 1)
    at = lam[:, None, None]
    share = jnp.where(at >= 1, 1.0, jnp.where(at <= 0, 0.0, share))
    mask = _grids.to_pixels(share, images.shape[1:3])
    if not transport:
      return mask, None
    move = functools.partial(
        _tiles.moves, tile=tile, price=transport_cost
    )
    return mask, (move(share, saliency), move(1 - share, saliency[partner]))

  return jax.lax.switch(
      pick, [functools.partial(branch, count) for count in blocks]
  )


def _energy(
    image, other, saliency, other_saliency, lam, *, blocks, levels, cell,
    weights,
):
  """What `grid_labels` minimises, for one pair; label l is m = 1 - l/(L-1).

  Returns:
    Unary costs `[n, n, L]` and the couplings of neighbours in rows
    `[n - 1, n]` and columns `[n, n - 1]`.
  """
  beta, gamma, eta = weights
  beta = beta / (16 * blocks)
  # Showing one image costs the saliency of the other.
  show = jnp.stack([
      _grids.block_shares(saliency, blocks, blocks),
      _grids.block_shares(other_saliency, blocks, blocks),
  ])
  pair = jnp.stack([other, image])
  seams, couplings = [], []
  for axis in (0, 1):
    table = beta * gamma * _seams(jnp.swapaxes(pair, 1, 1 + axis), blocks, cell)
    unary, coupling = _split_seams(table)
    seams.append(jnp.swapaxes(unary, 1, 1 + axis))
    couplings.append(jnp.swapaxes(beta + coupling, 0, axis))
  show = (show + seams[0] + seams[1])[..., None]
  m = 1 - jnp.arange(levels) / (levels - 1)
  m = m[None, None]
  prior = eta / blocks**2 * _log_prior(lam, levels)
  unary = m * show[1] + (1 - m) * show[0] - prior[None, None]
  return unary, *couplings


def _log_prior(lam, levels):
  """Log probability of each label if every step up to 1 is taken with lam."""
  steps = levels - 1
  count = jnp.arange(levels)
  ways = jnp.array([math.comb(steps, i) for i in range(levels)], jnp.float32)
  return jnp.log(ways * lam ** (steps - count) * (1 - lam) ** count + 1e-8)


def _seams(pair, blocks, cell):
  """Colour differences across the horizontal borders of blocks.

  Args:
    pair: Images `[2, H, W, C]`.
    blocks: Blocks per side.
    cell: Side of the cells in which colours are averaged.

  Returns:
    `[2, 2, n - 1, n]`: for source s above and source t below the border.
  """
  down, right = (max(1, side // (blocks * cell)) for side in pair.shape[1:3])
  colours = _grids.block_means(
      jnp.moveaxis(pair, -1, 1), blocks * down, blocks * right
  )
  above = colours[:, None, :, down - 1 : -1 : down]
  below = colours[None, :, :, down::down]
  seams = jnp.mean(jnp.abs(above - below), axis=2)
  return jnp.mean(seams.reshape(2, 2, blocks - 1, blocks, right), axis=-1)


def _split_seams(table):
  """A 2 x 2 table of costs per border as unary costs and a coupling.

  For labels in {0, 1} this is the table, up to a constant, and for those in
  between it is the definition of the energy.

  Args:
    table: `[2, 2, n - 1, n]`, by source above and source below.

  Returns:
    Unary costs of showing each source, `[2, n, n]`, and the coupling that
    multiplies (m - m')^2, `[n - 1, n]`.
  """
  above = jnp.pad(jnp.mean(table, axis=1), ((0, 0), (0, 1), (0, 0)))
  below = jnp.pad(jnp.mean(table, axis=0), ((0, 0), (1, 0), (0, 0)))
  coupling = (table[0, 1] + table[1, 0] - table[0, 0] - table[1, 1]) / 2
  return above + below, coupling

"""Mixing by a network that has learned to."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from dmjax.mixers import _core

Block = Callable[[jax.Array, jax.Array, jax.Array, Sequence[int]], jax.Array]


def automix(
    key: jax.Array,
    x: jax.Array,
    *,
    block: Block,
    features: jax.Array,
    alpha: float = 2.0,
    lam: jax.typing.ArrayLike | None = None,
    partner: str | jax.typing.ArrayLike = "permutation",
    per_batch: bool = False,
    keep_lam: bool = False,
) -> _core.Mixed:
  """Mixes by the masks of a trained Mix Block (arXiv 2103.13027, 2111.15454).

      x~ = M x_i + (1 - M) x_j,   M = block(features, j, lam)

  The block has learned to keep the mean of M near lambda, but not to meet it.

  Args:
    key: PRNG key.
    x: Images `[B, H, W, C]`, floating.
    block: `(features, partner, lam, (H, W)) -> mask [B, H, W]`, the share of
      the row itself. Constant: no gradient reaches it.
    features: `[B, h, w, D]`, of the network whose features the block has
      learned from. Constant.
    alpha: lambda ~ Beta(alpha, alpha).
    lam: Fixes lambda instead, a scalar or `[B]`.
    partner: `permutation`, `roll`, `flip` or `int[B]`.
    per_batch: One lambda for the whole batch.
    keep_lam: Weights of lambda, as the papers train, instead of the mean of M.

  Returns:
    The mixed batch.

  Raises:
    ValueError: For masks that do not fit the images.

  Example:
    >>> key = jax.random.key(0)
    >>> x = jax.random.uniform(key, (4, 8, 8, 3))
    >>> block = lambda features, partner, lam, shape: jnp.full((4, 8, 8), 0.75)
    >>> mixed = mixers.automix(key, x, block=block, features=x)
    >>> print(mixed.x.shape, mixed.weights[0])
    (4, 8, 8, 3) [0.75 0.25]
  """
  _core.check_images(x)
  pairs = _core.draw(
      key, x, alpha=alpha, lam=lam, partner=partner, per_batch=per_batch
  )
  mask = block(features, pairs.partner, pairs.lam, x.shape[1:3])
  mask = _core.check_maps("mask of the block", mask, x)
  mixed = _core.mix_by_mask(x, pairs.partner, jnp.clip(mask, 0.0, 1.0))
  if keep_lam:
    return mixed._replace(weights=_core.pair_weights(pairs.lam))
  return mixed

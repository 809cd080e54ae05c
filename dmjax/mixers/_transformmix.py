"""Mixing by a network that has learned to move images, and to mask them."""

from collections.abc import Callable

import jax

from dmjax.mixers import _core

Block = Callable[
    [jax.Array, jax.Array, jax.Array, jax.Array],
    tuple[jax.Array, jax.Array, jax.Array],
]


def transformmix(
    key: jax.Array,
    x: jax.Array,
    *,
    block: Block,
    features: jax.Array,
    alpha: float = 1.0,
    lam: jax.typing.ArrayLike | None = None,
    partner: str | jax.typing.ArrayLike = "permutation",
    per_batch: bool = False,
    keep_lam: bool = False,
) -> _core.Mixed:
  """Mixes by the warps and masks of a trained TransformMix (arXiv 2403.12429).

      x~ = M T_i(x_i) + (1 - M) T_j(x_j),   T_i, T_j, M = block(x, features, j, lam)

  The warped images are mixed, so the result is no blend of the two as they are.
  The mask is over the pixels of the result, and the weights are its mean: that
  of the mask which was really used.

  Args:
    key: PRNG key.
    x: Images `[B, H, W, C]`, floating.
    block: `(x, features, partner, lam) -> own, other, mask`: the rows and their
      partners as they are warped, `[B, H, W, C]`, and the share of the former,
      `[B, H, W]`. No gradient flows through the mask.
    features: The saliency `[B, H, W]` that the block has learned with. Constant.
    alpha: lambda ~ Beta(alpha, alpha).
    lam: Fixes lambda instead, a scalar or `[B]`.
    partner: `permutation`, `roll`, `flip` or `int[B]`.
    per_batch: One lambda for the whole batch.
    keep_lam: Weights of lambda instead of the mean of M.

  Returns:
    The mixed batch.

  Raises:
    ValueError: For warped images and masks that do not fit the images.

  Example:
    >>> key = jax.random.key(0)
    >>> x = jax.random.uniform(key, (4, 8, 8, 3))
    >>> block = lambda x, features, partner, lam: (x, x[partner], features)
    >>> saliency = x.mean(3)
    >>> mixed = mixers.transformmix(key, x, block=block, features=saliency)
    >>> print(mixed.x.shape, mixed.weights.shape)
    (4, 8, 8, 3) (4, 2)
  """
  _core.check_images(x)
  pairs = _core.draw(
      key, x, alpha=alpha, lam=lam, partner=partner, per_batch=per_batch
  )
  own, other, mask = block(x, features, pairs.partner, pairs.lam)
  mask = _core.check_maps("mask of the block", mask, x)
  for warped in (own, other):
    if warped.shape != x.shape:
      raise ValueError(
          f"images that the block warps must stay {x.shape}, got shape"
          f" {warped.shape}"
      )
  mixed = _core.mix_by_mask(own, pairs.partner, mask, other)
  if keep_lam:
    return mixed._replace(weights=_core.pair_weights(pairs.lam))
  return mixed

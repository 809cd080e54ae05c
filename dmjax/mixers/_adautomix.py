"""Mixing several images by a network that has learned to."""

from collections.abc import Callable, Sequence
import functools

import jax
import jax.numpy as jnp

from dmjax.mixers import _blends
from dmjax.mixers import _checks
from dmjax.mixers import _core
from dmjax.mixers import _several

Block = Callable[[jax.Array, jax.Array, jax.Array, Sequence[int]], jax.Array]


def adautomix(
    key: jax.Array,
    x: jax.Array,
    *,
    block: Block,
    features: jax.Array,
    count: int = 3,
    alpha: float = 1.0,
    lam: jax.typing.ArrayLike | None = None,
    partner: str | jax.typing.ArrayLike = "permutation",
    per_batch: bool = False,
    keep_lam: bool = False,
) -> _core.Mixed:
  """Mixes K images by the masks of a trained AdAutoMix (arXiv 2312.11954).

      x~ = sum_k M_k x_k,   M = block(features, sources, w),   sum_k M_k = 1

  Args:
    key: PRNG key.
    x: Images `[B, H, W, C]`, floating.
    block: `(features, sources, weights, (H, W)) -> masks [B, K, H, W]`.
      Constant: no gradient reaches it.
    features: `[B, h, w, D]`, of the network whose features the block has
      learned from. Constant.
    count: K, 2 or more.
    alpha: The shares w are draws of Beta(alpha, alpha), made to sum to 1.
    lam: Fixes that of the row itself instead, a scalar or `[B]`.
    partner: `permutation`, `roll`, `flip` or `int[B]`: the other images are the
      partner, the partner of that, and so on.
    per_batch: The same shares for the whole batch.
    keep_lam: Weights of w, as published, instead of the means of the masks.

  Returns:
    The mixed batch; its mask is that of the row itself.

  Raises:
    ValueError: For masks that do not fit the images, and as `mixup`.

  Example:
    >>> key = jax.random.key(0)
    >>> x = jax.random.uniform(key, (4, 8, 8, 3))
    >>> masks = jnp.full((4, 3, 8, 8), 1 / 3)
    >>> block = lambda features, sources, shares, shape: masks
    >>> mixed = mixers.adautomix(key, x, block=block, features=x)
    >>> print(mixed.x.shape, mixed.sources.shape)
    (4, 8, 8, 3) (4, 3)
  """
  _core.check_images(x)
  _checks.check_lam(lam, x.shape[0])
  mixup = functools.partial(
      _blends.mixup, alpha=alpha, partner=partner, per_batch=per_batch
  )
  sources, shares = _several.draw(key, x, mixup, count, {})
  if lam is not None:
    shares = _with_first(shares, lam)
  masks = block(features, sources, shares, x.shape[1:3])
  return by_masks(x, sources, masks, shares if keep_lam else None)


def by_masks(
    x: jax.Array,
    sources: jax.Array,
    masks: jax.Array,
    weights: jax.Array | None = None,
) -> _core.Mixed:
  """Blends K images by masks that sum to 1.

  Args:
    x: Images `[B, H, W, C]`.
    sources: `int32[B, K]`.
    masks: `[B, K, H, W]`, constant.
    weights: `float32[B, K]` instead of the means of the masks.

  Returns:
    The mixed batch.

  Raises:
    ValueError: For masks of another shape.
  """
  wanted = (*sources.shape, *x.shape[1:3])
  if masks.shape != wanted:
    raise ValueError(
        f"masks of the block must be [B, K, H, W] = {wanted}, got shape"
        f" {masks.shape}"
    )
  masks = jax.lax.stop_gradient(masks.astype(jnp.float32))
  if weights is None:
    weights = jnp.mean(masks, axis=(2, 3))
  mixed = _several.blend(x, sources, masks[..., None])
  return _core.Mixed(mixed, sources, weights, masks[:, 0, ..., None])


def _with_first(shares, lam):
  """The shares with another first one; the others keep their proportions."""
  rest = shares.at[:, 0].set(0)
  rest /= jnp.sum(rest, axis=1, keepdims=True)
  lam = jnp.broadcast_to(jnp.asarray(lam, jnp.float32), rest.shape[:1])
  return ((1 - lam)[:, None] * rest).at[:, 0].set(lam)

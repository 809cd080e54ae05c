"""Losses of learned masks: how much of each image, and how decided.

All are of `mask`, the share of the first source, as AutoMix (arXiv 2103.13027)
and SAMix (arXiv 2111.15454) train theirs. They are per example, so that every
mask has to keep its own lambda; `per_batch=True` is the published form, in
which only the mean over the whole batch has to.
"""

import jax
import jax.numpy as jnp

from dmjax.losses import _labels


def mask_l1(
    mask: jax.typing.ArrayLike,
    lam: jax.typing.ArrayLike,
    *,
    margin: float = 0.1,
    variance: float = 0.0,
    per_batch: bool = False,
) -> jax.Array:
  """Distance of the masked area from lambda, beyond a margin.

      L = max(|mean(M) - lam| - margin, 0) - variance * Var(M)

  The second term rewards masks that decide: SAMix's has `variance=2`.

  Args:
    mask: Share of source 0, `[B, H, W]` or `[B, H, W, 1]`.
    lam: Share asked for, a scalar or `[B]`.
    margin: Deviation that is free of charge.
    variance: Factor of the variance of the mask.
    per_batch: Take mean and variance over the whole batch.

  Returns:
    `float32[B]`; with `per_batch` one value, repeated.

  Raises:
    ValueError: For shapes that do not fit, and options or lambda out of range.

  Example:
    >>> mask = jnp.full((2, 4, 4), 0.75)
    >>> print(losses.mask_l1(mask, jnp.array([0.75, 0.25]), margin=0.0))
    [0.  0.5]
  """
  mask, lam = _check(mask, lam, margin, variance)
  gap = jnp.abs(_mean(mask, per_batch) - _share(lam, per_batch))
  return jnp.maximum(gap - margin, 0.0) - variance * _variance(mask, per_batch)


def mask_l2(
    mask: jax.typing.ArrayLike,
    lam: jax.typing.ArrayLike,
    *,
    margin: float = 0.1,
    variance: float = 2.0,
    per_batch: bool = False,
) -> jax.Array:
  """Squared distance of the masked area from lambda, beyond a margin.

      L = max((mean(M) - lam)^2 - margin^2, 0) - variance * Var(M)

  Args:
    mask: Share of source 0, `[B, H, W]` or `[B, H, W, 1]`.
    lam: Share asked for, a scalar or `[B]`.
    margin: Deviation that is free of charge.
    variance: Factor of the variance of the mask.
    per_batch: Take mean and variance over the whole batch.

  Returns:
    `float32[B]`; with `per_batch` one value, repeated.

  Raises:
    ValueError: For shapes that do not fit, and options or lambda out of range.

  Example:
    >>> mask = jnp.full((2, 4, 4), 0.75)
    >>> print(losses.mask_l2(mask, jnp.array([0.75, 0.25]), margin=0.0))
    [0.   0.25]
  """
  mask, lam = _check(mask, lam, margin, variance)
  gap = (_mean(mask, per_batch) - _share(lam, per_batch)) ** 2
  gap = jnp.maximum(gap - margin**2, 0.0)
  return gap - variance * _variance(mask, per_batch)


def mask_sparsity(
    mask: jax.typing.ArrayLike,
    lam: jax.typing.ArrayLike,
    *,
    margin: float = 0.1,
    per_batch: bool = False,
) -> jax.Array:
  """Price of pixels that are of both images, beyond a margin.

      L = max(mean(M (1 - M)) - margin, 0)

  Args:
    mask: Share of source 0, `[B, H, W]` or `[B, H, W, 1]`.
    lam: Not looked at; here so that all mask losses are called alike.
    margin: Mean that is free of charge.
    per_batch: Take the mean over the whole batch.

  Returns:
    `float32[B]`; with `per_batch` one value, repeated.

  Raises:
    ValueError: For shapes that do not fit, and options or lambda out of range.

  Example:
    >>> mask = jnp.full((2, 4, 4), 0.5)
    >>> print(losses.mask_sparsity(mask, 0.5, margin=0.0))
    [0.25 0.25]
  """
  mask, _ = _check(mask, lam, margin)
  return jnp.maximum(_mean(mask * (1 - mask), per_batch) - margin, 0.0)


def _check(mask, lam, margin, variance=0.0):
  """The mask as `[B, pixels]` and lambda as `[B]`, in float32."""
  _labels.check_option("margin", margin, "be >= 0", lambda v: v >= 0)
  _labels.check_option("variance", variance, "be >= 0", lambda v: v >= 0)
  _labels.check_option(
      "lam", lam, "lie in [0, 1]", lambda v: (v >= 0) & (v <= 1)
  )
  mask, lam = jnp.asarray(mask, jnp.float32), jnp.asarray(lam, jnp.float32)
  if mask.ndim not in (3, 4) or mask.shape[3:] not in ((), (1,)):
    raise ValueError(
        f"mask must be [B, H, W] or [B, H, W, 1], got shape {mask.shape}"
    )
  if lam.shape not in ((), mask.shape[:1]):
    raise ValueError(
        f"lam must be a scalar or [B] with B={mask.shape[0]} as in mask, got"
        f" shape {lam.shape}"
    )
  lam = jnp.broadcast_to(lam, mask.shape[:1])
  return mask.reshape(mask.shape[0], -1), lam


def _mean(values, per_batch):
  mean = jnp.mean(values, axis=1)
  return _share(mean, per_batch)


def _share(values, per_batch):
  """`[B]`, or its mean B times."""
  if not per_batch:
    return values
  return jnp.broadcast_to(jnp.mean(values), values.shape)


def _variance(mask, per_batch):
  if not per_batch:
    return jnp.var(mask, axis=1)
  return jnp.broadcast_to(jnp.var(mask), mask.shape[:1])

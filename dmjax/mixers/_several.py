"""Mixing more than two inputs."""

from collections.abc import Callable
import functools
import operator

import jax
import jax.numpy as jnp

from dmjax.mixers import _combinators
from dmjax.mixers import _core

# Shares that are all 0 become equal ones.
_TINY = 1e-30


def several(
    key: jax.Array,
    x: jax.Array,
    *,
    mixer: Callable[..., _core.Mixed],
    count: int = 3,
    **options,
) -> _core.Mixed:
  """Blends several inputs, with lambdas and partners that a mixer draws.

      x~ = sum_k w_k x_k,   w_k = lambda_k / (lambda_1 + ... + lambda_K)

  as AdAutoMix (arXiv 2312.11954) draws its pairs of K = 3. The lambdas are those
  of K draws of the mixer, whose own blend is not used. The inputs are the row
  itself, its partner in the first draw, the partner of that, and so on: all of
  them different where partners are permuted and B >= K.

  Args:
    key: PRNG key.
    x: `[B, ...]`, floating.
    mixer: Draws them, such as `mixup`, configured with `functools.partial`.
    count: K, 2 or more.
    **options: Handed to the mixer if it has them.

  Returns:
    The mixed batch with K sources; its mask is None.

  Raises:
    ValueError: For a count below 2, and inputs that are no arrays.

  Example:
    >>> key = jax.random.key(0)
    >>> x = jax.random.uniform(key, (4, 8, 8, 3))
    >>> mixed = mixers.several(key, x, mixer=mixers.mixup, count=3)
    >>> print(mixed.x.shape, mixed.sources.shape)
    (4, 8, 8, 3) (4, 3)
  """
  _core.check_array(x)
  sources, weights = draw(key, x, mixer, count, options)
  shares = weights.reshape((*weights.shape, *[1] * (x.ndim - 1)))
  return _core.Mixed(blend(x, sources, shares), sources, weights)


def draw(
    key: jax.Array, x: jax.Array, mixer, count: int, options
) -> tuple[jax.Array, jax.Array]:
  """`int32[B, K]` sources and `float32[B, K]` weights, as `several`."""
  if not isinstance(count, int) or count < 2:
    raise ValueError(f"count must be an integer >= 2, got {count!r}")
  keys = jax.random.split(key, count)
  draws = [_combinators.call(mixer, each, x, options) for each in keys]
  lam = jnp.stack([mixed.weights[:, 0] for mixed in draws], axis=1) + _TINY
  rows = [jnp.arange(x.shape[0], dtype=jnp.int32)]
  for _ in range(count - 1):
    rows.append(draws[0].sources[rows[-1], 1])
  weights = lam / jnp.sum(lam, axis=1, keepdims=True)
  return jnp.stack(rows, axis=1), weights


def blend(x: jax.Array, sources: jax.Array, shares: jax.Array) -> jax.Array:
  """`sum_k shares_k x_k` in float32, in the dtype of x.

  Args:
    x: `[B, ...]`.
    sources: `int32[B, K]`.
    shares: `[B, K, ...]`, of each source.

  Returns:
    `[B, ...]`.
  """
  parts = [
      shares[:, k] * x[sources[:, k]].astype(jnp.float32)
      for k in range(sources.shape[1])
  ]
  return functools.reduce(operator.add, parts).astype(x.dtype)

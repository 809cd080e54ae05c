"""Mixup, and no mixing at all."""

import jax
import jax.numpy as jnp

from dmjax.mixers import _core


def mixup(
    key: jax.Array,
    x: jax.Array,
    *,
    alpha: float = 1.0,
    lam: jax.typing.ArrayLike | None = None,
    partner: str | jax.typing.ArrayLike = "permutation",
    per_batch: bool = False,
) -> _core.Mixed:
  """Linear interpolation of two inputs (arXiv 1710.09412, eq. 1).

      x~ = lam x_i + (1 - lam) x_j,   lam ~ Beta(alpha, alpha)

  Works on inputs of any rank: images, hidden features, table rows, sequences,
  spectrograms. The reference draws one lambda per batch; that is
  `per_batch=True`.

  Args:
    key: PRNG key.
    x: `[B, ...]`, floating.
    alpha: Parameter of the Beta distribution.
    lam: Fixes lambda instead, a scalar or `[B]`.
    partner: `permutation`, `roll`, `flip` or `int[B]`.
    per_batch: One lambda for the whole batch.

  Returns:
    The mixed batch; its mask is None.

  Raises:
    ValueError: For the nodes of a graph.

  Example:
    >>> key = jax.random.key(0)
    >>> x = jax.random.uniform(key, (4, 8, 8, 3))
    >>> mixed = mixers.mixup(key, x, lam=0.75, partner="roll")
    >>> print(mixed.x.shape, mixed.sources[0], mixed.weights[0])
    (4, 8, 8, 3) [0 3] [0.75 0.25]
    >>> bool(jnp.allclose(mixed.x[0], 0.75 * x[0] + 0.25 * x[3]))
    True
  """
  pairs = _core.draw(
      key, x, alpha=alpha, lam=lam, partner=partner, per_batch=per_batch
  )
  return _core.mix_by_weight(x, pairs)


def identity(
    key: jax.Array,
    x: jax.Array,
    *,
    partner: str | jax.typing.ArrayLike = "permutation",
) -> _core.Mixed:
  """No mixing: the baseline, in the form of a mixer.

      x~ = x_i,   weights (1, 0)

  Args:
    key: PRNG key, used for the partners alone.
    x: `[B, ...]`, floating, the nodes of a graph, of shape `[B]`, or tokens,
      `int32[B, T]`.
    partner: `permutation`, `roll`, `flip` or `int[B]`: the sources of weight 0.

  Returns:
    The inputs, with weights (1, 0).

  Example:
    >>> key = jax.random.key(0)
    >>> x = jax.random.uniform(key, (4, 8, 8, 3))
    >>> mixed = mixers.identity(key, x)
    >>> print(mixed.weights[0])
    [1. 0.]
  """
  pairs = _core.draw(
      key, x, alpha=1.0, lam=1.0, partner=partner, per_batch=True
  )
  weights = _core.pair_weights(jnp.ones_like(pairs.lam))
  return _core.Mixed(x, _core.sources(pairs.partner), weights)

"""AlignMix: feature maps are brought into correspondence before they mix."""

from collections.abc import Sequence
import functools

import jax
import jax.numpy as jnp

from dmjax.mixers import _checks
from dmjax.mixers import _core


def alignmix(
    key: jax.Array,
    x: jax.Array,
    *,
    alpha: float = 2.0,
    lam: jax.typing.ArrayLike | None = None,
    partner: str | jax.typing.ArrayLike = "permutation",
    per_batch: bool = False,
    epsilon: float = 0.1,
    iterations: int = 100,
    normalize: bool = False,
    stage: int | jax.Array | None = None,
    stages: Sequence[int] = (4,),
) -> _core.Mixed:
  """Mixup of feature maps aligned by optimal transport (arXiv 2103.15375).

      x~ = lam x_i + (1 - lam) P x_j   or   lam P' x_i + (1 - lam) x_j

  by the flip of a coin. P, treated as constant, takes each position of one map
  to those of the other that resemble it: the entropic transport plan between
  the two sets of positions for squared Euclidean distances, found by a fixed
  number of Sinkhorn iterations in the log domain. At lambda 1 the row itself
  is never moved, so it is returned as it was.

  The defaults are those of the official code, which draws one lambda and flips
  one coin per batch (`per_batch=True`), stops Sinkhorn early, and alternates
  with mixup of the inputs; `choose` does that. Its plans need not sum to 1 in
  each position after the last iteration. Here they do, so that every mixed
  feature is a weighted mean. Distances of features of large norm make epsilon
  negligible and the plan nearly a permutation; `normalize` is for them.

  Inside a model, mix with `hook = lambda stage, h: alignmix(key, h,
  stage=stage).x`: features pass through unchanged except at one stage, drawn
  from `stages`. Who is mixed with whom, and how much, depends on the key and
  on B alone: every call with that key returns the same sources and weights.
  The plan has (hw)^2 entries per row, so prefer late stages.

  Args:
    key: PRNG key.
    x: Feature maps `[B, h, w, D]`, or anything else `[B, ..., D]` with
      positions in between; floating.
    alpha: lambda ~ Beta(alpha, alpha).
    lam: Fixes lambda instead, a scalar or `[B]`.
    partner: `permutation`, `roll`, `flip` or `int[B]`.
    per_batch: One lambda and one coin for the whole batch.
    epsilon: Entropic regularisation, in units of squared distance.
    iterations: Number of Sinkhorn iterations.
    normalize: Measure distances between features scaled to norm 1.
    stage: Where in the model this call is; None always mixes.
    stages: The stages of which one is drawn for each call.

  Returns:
    The mixed batch; its mask is None.

  Raises:
    ValueError: For inputs without positions, epsilon <= 0 and no stages.
  """
  _check(x, epsilon, stages)
  pair_key, stage_key = jax.random.split(key)
  pairs = _core.draw(
      pair_key, x, alpha=alpha, lam=lam, partner=partner, per_batch=per_batch
  )
  sources = _core.sources(pairs.partner)
  weights = _core.pair_weights(pairs.lam)
  if isinstance(stage, int) and stage not in stages:
    return _core.Mixed(x, sources, weights)
  mix = functools.partial(
      _mix_pair, epsilon=epsilon, iterations=iterations, normalize=normalize
  )
  mixed = jax.vmap(mix)(pairs.keys, x, x[pairs.partner], pairs.lam)
  if stage is not None:
    chosen = jax.random.choice(stage_key, jnp.asarray(stages))
    mixed = jnp.where(stage == chosen, mixed, x)
  return _core.Mixed(mixed, sources, weights)


def _check(x, epsilon, stages):
  if x.ndim < 3:
    raise ValueError(
        "x must be [B, ..., D] with at least one axis of positions, got shape"
        f" {x.shape}"
    )
  _checks.check_positive("epsilon", epsilon)
  if not stages:
    raise ValueError("stages must hold at least one stage, got none")


def _mix_pair(key, x, other, lam, *, epsilon, iterations, normalize):
  """One pair of maps `[..., D]`."""
  a, b = (
      v.reshape(-1, v.shape[-1]).astype(jnp.float32) for v in (x, other)
  )
  keep = jax.random.bernoulli(key) | (lam >= 1)
  # The one that stays, and the one whose positions move.
  still, moving = jnp.where(keep, a, b), jnp.where(keep, b, a)
  plan = _plan(
      *jax.lax.stop_gradient((still, moving)),
      epsilon=epsilon, iterations=iterations, normalize=normalize,
  )
  moved = jnp.matmul(plan, moving, precision=jax.lax.Precision.HIGHEST)
  mixed = _core.blend(
      jnp.where(keep, a, moved), jnp.where(keep, moved, b), lam
  )
  return mixed.reshape(x.shape).astype(x.dtype)


# Compiled on its own, so that calls outside of any jit do not trace and compile
# the loop again.
@functools.partial(jax.jit, static_argnames=("iterations", "normalize"))
def _plan(still, moving, *, epsilon, iterations, normalize):
  """How much of each moving feature comes to each still one, `[r, r]`.

  Rows sum to 1: they end with the half of an iteration that sees to it.
  """
  logits = -_squared_distances(still, moving, normalize) / epsilon

  def half(potential, axis):
    at = jnp.expand_dims(potential, 1 - axis)
    return -jax.nn.logsumexp(logits + at, axis=axis)

  start = jnp.zeros_like(logits[0])
  potential = jax.lax.fori_loop(
      0, iterations, lambda _, v: half(half(v, 1), 0), start
  )
  return jax.nn.softmax(logits + potential[None, :], axis=1)


def _squared_distances(a, b, normalize):
  """`[r, D]` and `[s, D]` -> `[r, s]`."""
  if normalize:
    a, b = (
        v * jax.lax.rsqrt(jnp.sum(v * v, axis=1, keepdims=True) + 1e-12)
        for v in (a, b)
    )
  product = jnp.matmul(a, b.T, precision=jax.lax.Precision.HIGHEST)
  norms = jnp.sum(a * a, axis=1)[:, None] + jnp.sum(b * b, axis=1)[None, :]
  return jnp.maximum(norms - 2 * product, 0.0)

"""AlignMix: feature maps are brought into correspondence before they mix."""

from collections.abc import Sequence
import functools
import math

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
    tolerance: float = 0.1,
    normalize: bool = False,
    stage: int | jax.Array | None = None,
    stages: Sequence[int] = (4,),
) -> _core.Mixed:
  """Mixup of feature maps aligned by optimal transport (arXiv 2103.15375).

      x~ = lam x_i + (1 - lam) P x_j   or   lam P^T x_i + (1 - lam) x_j

  by the flip of a coin. P, treated as constant, takes each position of one map
  to those of the other that resemble it: the entropic transport plan between
  the two sets of positions for squared Euclidean distances, found by Sinkhorn
  iterations in the log domain. At lambda 1 the row itself is never moved, so
  it is returned as it was.

  Iterations stop as in the official code: when one of them has changed the dual
  variable u by less than `tolerance`, summed over positions and averaged over
  the batch, or after `iterations`. So the plan of a row depends a little on the
  other rows; under `pmap` and `shard_map` the average is that of the shard,
  where its partners are too. The plan is used as it then is. Columns of P sum
  to 1, so features moved by P^T are weighted means. Rows of P sum to 1 only as
  nearly as the iterations came to it, so features moved by P may be too long or
  too short: with 16 positions of normal features by up to a half at norm 2, and
  by a factor of 4 at norm 23, where 100 iterations are not enough.

  The defaults are those of the official code, which draws one lambda and flips
  one coin per batch (`per_batch=True`) and alternates with mixup of the inputs;
  `choose` does that. Distances of features of large norm make epsilon
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
    iterations: Sinkhorn iterations at most, 1 or more.
    tolerance: Change of u, in units of squared distance, below which iterations
      stop; 0 does all of them.
    normalize: Measure distances between features scaled to norm 1.
    stage: Where in the model this call is; None always mixes.
    stages: The stages of which one is drawn for each call.

  Returns:
    The mixed batch; its mask is None.

  Raises:
    ValueError: For inputs without positions, epsilon <= 0, no iterations, a
      negative tolerance and no stages.

  Example:
    >>> key = jax.random.key(0)
    >>> x = jax.random.uniform(key, (4, 8, 8, 3))
    >>> mixed = mixers.alignmix(key, x, lam=0.75)
    >>> print(mixed.x.shape, mixed.weights[0])
    (4, 8, 8, 3) [0.75 0.25]
  """
  _check(x, epsilon, iterations, tolerance, stages)
  pair_key, stage_key = jax.random.split(key)
  pairs = _core.draw(
      pair_key, x, alpha=alpha, lam=lam, partner=partner, per_batch=per_batch
  )
  sources = _core.sources(pairs.partner)
  weights = _core.pair_weights(pairs.lam)
  if isinstance(stage, int) and stage not in stages:
    return _core.Mixed(x, sources, weights)
  mixed = _align(
      x, pairs, epsilon=epsilon, iterations=iterations, tolerance=tolerance,
      normalize=normalize,
  )
  if stage is not None:
    chosen = jax.random.choice(stage_key, jnp.asarray(stages))
    mixed = jnp.where(stage == chosen, mixed, x)
  return _core.Mixed(mixed, sources, weights)


def _check(x, epsilon, iterations, tolerance, stages):
  if x.ndim < 3:
    raise ValueError(
        "x must be [B, ..., D] with at least one axis of positions, such as"
        f" images [B, H, W, C], got shape {x.shape}; 'manifold_mixup' mixes"
        " features without positions"
    )
  _checks.check_positive("epsilon", epsilon)
  _checks.check_number("iterations", iterations, 1)
  _checks.check_number("tolerance", tolerance)
  if not stages:
    raise ValueError("stages must hold at least one stage, got none")


def _align(x, pairs, **options):
  """Each row mixed with its partner after one of the two was aligned."""
  own = x.reshape(x.shape[0], -1, x.shape[-1]).astype(jnp.float32)
  other = own[pairs.partner]
  plans, _ = _plans(*jax.lax.stop_gradient((own, other)), **options)
  mixed = jax.vmap(_mix_pair)(pairs.keys, own, other, pairs.lam, plans)
  return mixed.reshape(x.shape).astype(x.dtype)


def _mix_pair(key, a, b, lam, plan):
  """One pair of maps `[r, D]` with a plan `[r, r]` from b to a."""
  # Which one stays; the other one's positions move.
  keep = jax.random.bernoulli(key) | (lam >= 1)
  moved = jnp.matmul(
      jnp.where(keep, plan, plan.T), jnp.where(keep, b, a),
      precision=jax.lax.Precision.HIGHEST,
  )
  return _core.blend(
      jnp.where(keep, a, moved), jnp.where(keep, moved, b), lam
  )


# Compiled on its own, so that calls outside of any jit do not trace and compile
# the loop again.
@functools.partial(jax.jit, static_argnames="normalize")
def _plans(x, other, *, epsilon, iterations, tolerance, normalize):
  """Sinkhorn's plans for maps `[B, r, D]`, u and v in units of epsilon.

  Returns:
    How much of each position of the other map comes to each one of x,
    `[B, r, r]`, columns summing to 1; and the number of iterations done.
  """
  distances = functools.partial(_squared_distances, normalize=normalize)
  logits = -jax.vmap(distances)(x, other) / epsilon
  mass = -math.log(logits.shape[-1])  # Of a position, its logarithm.

  def iterate(state):
    count, before, v, _ = state
    u = mass - jax.nn.logsumexp(logits + v[:, None, :], axis=2)
    v = mass - jax.nn.logsumexp(logits + u[:, :, None], axis=1)
    change = epsilon * jnp.mean(jnp.sum(jnp.abs(u - before), axis=1))
    return count + 1, u, v, change

  def unsettled(state):
    return (state[0] < iterations) & (state[3] >= tolerance)

  zeros = jnp.zeros(logits.shape[:2], logits.dtype)
  start = jax.tree.map(
      lambda first: _core.vary_with(first, logits),
      (jnp.int32(0), zeros, zeros, jnp.asarray(jnp.inf, logits.dtype)),
  )
  count, u, *_ = jax.lax.while_loop(unsettled, iterate, start)
  # Of u alone, as v makes columns sum to 1: exact where u + v would round.
  return jax.nn.softmax(logits + u[:, :, None], axis=1), count


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

"""The solver of Co-Mixup: whom each cell of each output shows."""

import functools
import itertools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dmjax.mixers import _core
from dmjax.mixers import _grids

_SWEEPS = 4
# What makes an even mix of two images preferable to a tie between them.
_SOFT_BONUS = 5e-4


class Weights(NamedTuple):
  """Weights of the terms of the objective; see `comixup`."""

  beta: jax.typing.ArrayLike
  gamma: jax.typing.ArrayLike
  tau: jax.typing.ArrayLike


def assign(key, cost, affinity, *, weights, iterations):
  """Block coordinate descent over the outputs of one partition.

  Args:
    key: PRNG key of the random start.
    cost: Cost of showing each image in each cell, `[m, n, n]`.
    affinity: How much the use of one image taxes another, `[m, m]`.
    weights: Weights of the terms of the objective.
    iterations: Rounds of belief propagation in each step.

  Returns:
    The two images, possibly the same, in each cell of each output:
    `int32[m, n, n, 2]`.
  """
  start = jax.random.randint(key, cost.shape, 0, cost.shape[0])
  start = _core.vary_with(start, cost, affinity, *weights)
  parents = jnp.stack([start, start], axis=-1)
  solve = functools.partial(
      _solve_output, cost, affinity, weights, iterations=iterations
  )

  def sweep(turn, state):
    parents, extra = state
    parents = jax.lax.fori_loop(
        0,
        cost.shape[0],
        lambda o, p: p.at[o].set(solve(o, p, extra[o], soft=turn > 0)),
        parents,
    )
    push = weights.gamma / cost[0].size * _duplicates(_usage(parents))
    return parents, jnp.where(turn == _SWEEPS - 2, push, extra)

  extra = _core.vary_with(jnp.zeros_like(affinity), start)
  return jax.lax.fori_loop(0, _SWEEPS, sweep, (parents, extra))[0]


def _solve_output(
    cost, affinity, weights, output, parents, extra, *, soft, iterations
):
  """The best parents `[n, n, 2]` of one output, given all the others."""
  size, height, width = cost.shape
  cells = height * width
  usage = _usage(parents)
  others = affinity @ (jnp.sum(usage, axis=0) - usage[output])
  tax = jnp.where(others > weights.tau * cells, others, 0.0)
  # Tax on what the others use, and on what they pay for this one's use.
  tax = 2 * weights.gamma / cells * tax + extra
  labels = _labels(usage[output], soft)
  shares = shares_of(labels, size)
  unary = jnp.moveaxis(cost, 0, -1) + tax[None, None]
  unary = jnp.einsum("ijk,lk->ijl", unary, shares)
  bonus = _SOFT_BONUS * (labels[:, 0] != labels[:, 1])
  coupling = weights.beta / cells
  chosen = _grids.grid_labels(
      (unary - bonus[None, None])[None],
      jnp.broadcast_to(coupling, (1, height - 1, width)),
      jnp.broadcast_to(coupling, (1, height, width - 1)),
      distance=jnp.sum(
          jnp.square(shares[:, None] - shares[None, :]), axis=-1
      ) / 2,
      iterations=iterations,
  )[0]
  return labels[chosen]


def _labels(usage, soft):
  """What a cell may show: each image, or even mixes of the three most used.

  Args:
    usage: Cells that show each image now, `[m]`.
    soft: Whether even mixes are offered.

  Returns:
    Pairs of images `int32[m + 3, 2]`; fewer for m < 3. A mix that is not
    offered repeats a single image instead, which changes nothing.
  """
  size = usage.shape[0]
  single = jnp.arange(size, dtype=jnp.int32)
  labels = jnp.stack([single, single], axis=1)
  pairs = list(itertools.combinations(range(min(size, 3)), 2))
  if not pairs:
    return labels
  count, top = jax.lax.top_k(usage, min(size, 3))
  pairs = np.array(pairs)
  offered = soft & jnp.all(count[pairs] > 0, axis=1)
  mixes = jnp.where(offered[:, None], top[pairs], top[0])
  return jnp.concatenate([labels, mixes.astype(jnp.int32)])


def shares_of(parents, size):
  """Pairs of images `[..., 2]` as shares of every image `[..., m]`."""
  return jnp.mean(jax.nn.one_hot(parents, size), axis=-2)


def _usage(parents):
  """How many cells of each output show each image, `[m, m]`."""
  return jnp.sum(shares_of(parents, parents.shape[0]), axis=(1, 2))


def _duplicates(usage):
  """Pushes apart outputs that mix the same images, `[m, m]`.

  Of every two such outputs the earlier is charged once for the first image of
  the set and the later once for the second.
  """
  used = usage > 0
  same = jnp.all(used[:, None] == used[None, :], axis=-1)
  same &= (jnp.sum(used, axis=1) > 1)[:, None]
  later = jnp.sum(jnp.triu(same, 1), axis=1)
  earlier = jnp.sum(jnp.tril(same, -1), axis=1)
  rank = jnp.cumsum(used, axis=1)
  first, second = used & (rank == 1), used & (rank == 2)
  return later[:, None] * first + earlier[:, None] * second

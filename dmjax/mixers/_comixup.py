"""Co-Mixup: the images of a partition are mixed jointly into as many others."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from dmjax.mixers import _checks
from dmjax.mixers import _comixup_solver
from dmjax.mixers import _core
from dmjax.mixers import _grids

_ITERATIONS = 8


def comixup(
    key: jax.Array,
    x: jax.Array,
    *,
    saliency: jax.Array,
    partition: int = 20,
    blocks: int = 4,
    alpha: float = 2.0,
    beta: float = 0.32,
    gamma: float = 1.0,
    tau: float = 0.83,
    eta: float = 0.05,
    omega: float = 0.001,
) -> _core.Mixed:
  """Mixes m images into m, salient and diverse (arXiv 2102.03065).

  Every output o shows in each cell p of its n x n grid one image or the even
  mix of two, z_op in the simplex of m images, chosen together to minimise

      sum_op c_p . z_op + beta/2n^2 sum_o sum_pq |z_op - z_oq|^2
        + gamma/n^2 sum_o s_o . t(A q_o)

  with c_kp = -(saliency share of block p in image k) - eta/n^2 log a_k,
  a ~ Dirichlet(alpha), s_o = sum_p z_op what output o uses, q_o what the other
  outputs use, t(v) = v where v > tau n^2 and 0 elsewhere, and A the identity
  with a share omega of the distances of the images' most salient places.

  Outputs are improved in turn, over four sweeps, by belief propagation. Even
  mixes are offered from the second sweep on, and outputs that show the same
  images are driven apart in the last. The official code solves each step by
  graph cuts on the CPU and charges 1 for borders of an even mix with a third
  image; here borders cost what the objective says.

  The batch is cut into partitions of m = min(partition, B) consecutive rows.
  Where m does not divide B the last partition reaches back over rows of the
  one before, and only the outputs of its new rows are kept: all rows have m
  sources. Row r has the sources r, r + 1, ... around its partition, and need
  not show itself at all. There is no lambda and no choice of partners.

  Args:
    key: PRNG key.
    x: Images `[B, H, W, C]`, floating.
    saliency: `[B, H, W]`, >= 0, of any scale. Treated as constant.
    partition: Images mixed jointly.
    blocks: Blocks per side, n.
    alpha: Parameter of the Dirichlet distribution, one draw per partition.
    beta: Weight of smoothness.
    gamma: Weight of diversity.
    tau: Share of one output's cells up to which an image is free.
    eta: Weight of the prior.
    omega: Weight of distances between salient places, in [0, 1].

  Returns:
    The mixed batch with K = m; its mask is the share of the row itself.

  Raises:
    ValueError: For saliency that does not fit the images, more blocks than
      pixels, empty partitions and weights out of range.

  Example:
    >>> key = jax.random.key(0)
    >>> x = jax.random.uniform(key, (4, 8, 8, 3))
    >>> mix = functools.partial(mixers.comixup, saliency=x.mean(3), partition=2)
    >>> jax.eval_shape(mix, key, x).sources.shape       # compiles nothing
    (4, 2)
  """
  _core.check_images(x)
  _checks.check_positive("alpha", alpha)
  _checks.check_number("omega", omega, 0, 1)
  _checks.check_numbers(beta=beta, gamma=gamma, tau=tau, eta=eta)
  _grids.check_saliency(saliency, x)
  _grids.check_blocks(blocks, x.shape[1:3])
  if partition < 1:
    raise ValueError(f"partition must be at least 1, got {partition}")
  rows, group, place = _partitions(x.shape[0], partition)
  parents = _choose(
      key,
      jax.lax.stop_gradient(saliency),
      rows,
      (alpha, eta, omega),
      _comixup_solver.Weights(beta, gamma, tau),
      blocks=blocks,
      iterations=_ITERATIONS,
  )
  parents = parents[group, place]
  mixed = _show(x, parents + rows[group, 0][:, None, None, None])
  return _describe(mixed, parents, rows[group], place)


def _partitions(batch, size):
  """Who is mixed with whom, as far as the size of the batch decides it.

  Returns:
    The rows of each partition `[G, m]`, and for each row of the batch its
    partition `[B]` and its place in it `[B]`.
  """
  size = min(size, batch)
  start = np.minimum(np.arange(0, batch, size), batch - size)
  rows = start[:, None] + np.arange(size)[None, :]
  group = np.arange(batch) // size
  place = np.arange(batch) - start[group]
  return tuple(np.asarray(a, np.int32) for a in (rows, group, place))


def _show(x, parents):
  """The images `[B, H, W, C]` that the parents `[B, n, n, 2]` stand for."""
  shape = x.shape[1:3]
  parents = _grids.to_pixels(jnp.moveaxis(parents, -1, 0), shape)
  row = jnp.arange(shape[0])[None, :, None]
  column = jnp.arange(shape[1])[None, None, :]
  first, second = (x[parent, row, column] for parent in parents)
  return _core.blend(first, second, jnp.float32(0.5))


def _describe(mixed, parents, rows, place):
  """Weights and mask, with the sources in turn from the row itself on."""
  size = rows.shape[1]
  turn = (place[:, None] + np.arange(size, dtype=np.int32)[None, :]) % size
  shares = _comixup_solver.shares_of(parents, size)
  area = _areas(mixed.shape[1:3], parents.shape[1])
  weights = jnp.einsum(
      "bijk,ij->bk", shares, area, precision=jax.lax.Precision.HIGHEST
  )
  own = jnp.mean(parents == place[:, None, None, None], axis=-1)
  return _core.Mixed(
      mixed,
      jnp.asarray(np.take_along_axis(rows, turn, axis=1)),
      jnp.clip(jnp.take_along_axis(weights, turn, axis=1), 0.0, 1.0),
      _grids.to_pixels(own.astype(jnp.float32), mixed.shape[1:3])[..., None],
  )


def _areas(shape, blocks):
  """Share of the image that each block covers, `[n, n]`."""
  row, column = (
      jnp.bincount(_grids.block_of_pixel(side, blocks), length=blocks) / side
      for side in shape
  )
  return row[:, None] * column[None, :]


# Compiled on its own, so that calls outside of any jit do not trace and compile
# the loops again.
@functools.partial(jax.jit, static_argnames=("blocks", "iterations"))
def _choose(key, saliency, rows, prior, weights, *, blocks, iterations):
  """Whom each cell shows, `[G, m, n, n, 2]`: two places in the partition."""
  alpha, eta, omega = prior
  groups, size = rows.shape
  prior_key, start_key = jax.random.split(key)
  share = jax.random.dirichlet(prior_key, jnp.full(size, alpha), (groups,))
  prior = eta / blocks**2 * jnp.log(jnp.maximum(share, 1e-8))
  cost = -_grids.block_shares(saliency, blocks, blocks)[rows]
  assign = functools.partial(
      _comixup_solver.assign, weights=weights, iterations=iterations
  )
  return jax.vmap(assign)(
      jax.random.split(start_key, groups),
      cost - prior[:, :, None, None],
      _affinity(_salient_places(saliency)[rows], omega),
  )


def _salient_places(saliency):
  """The (row, column) around which an image is most salient, `[B, 2]`."""
  window = tuple(max(1, side // 4) for side in saliency.shape[1:])
  sums = jax.lax.reduce_window(
      saliency.astype(jnp.float32), 0.0, jax.lax.add, (1, *window), (1, 1, 1),
      "VALID",
  )
  best = jnp.argmax(sums.reshape(sums.shape[0], -1), axis=1)
  return jnp.stack([best // sums.shape[2], best % sums.shape[2]], axis=1)


def _affinity(places, omega):
  """The matrix A of each partition: places `[G, m, 2]` -> `[G, m, m]`."""
  difference = places[:, :, None] - places[:, None]
  distance = jnp.sum(jnp.abs(difference), axis=-1).astype(jnp.float32)
  total = jnp.sum(distance, axis=(1, 2), keepdims=True)
  size = places.shape[1]
  distance = size * distance / jnp.where(total > 0, total, 1.0)
  return (1 - omega) * jnp.eye(size)[None] + omega * distance

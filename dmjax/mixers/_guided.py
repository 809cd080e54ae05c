"""Mixers guided by saliency maps or by the features of a teacher."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from dmjax.mixers import _boxes
from dmjax.mixers import _core
from dmjax.mixers import _filters


def saliencymix(
    key: jax.Array,
    x: jax.Array,
    *,
    saliency: jax.Array,
    alpha: float = 1.0,
    lam: jax.typing.ArrayLike | None = None,
    partner: str | jax.typing.ArrayLike = "permutation",
    per_batch: bool = False,
) -> _core.Mixed:
  """Pastes the box around the partner's most salient pixel (arXiv 2006.01791).

      x~ = M x_i + (1 - M) x_j,   M = 0 in the box of CutMix around argmax S_j

  The box stays where it was in the partner. Each row has its own, the method
  of the paper: the authors' code and OpenMixup take one map per batch, and hand
  normalised floats to an 8-bit detector, so that its argmax is arbitrary.
  `saliency.fine_grained` of images in [0, 1] is that detector used as meant.

  Args:
    key: PRNG key.
    x: Images `[B, H, W, C]`, floating.
    saliency: `[B, H, W]`, one map per image. Constant.
    alpha: lambda ~ Beta(alpha, alpha).
    lam: Fixes lambda instead, a scalar or `[B]`.
    partner: `permutation`, `roll`, `flip` or `int[B]`.
    per_batch: One lambda for the whole batch; boxes remain each row's own.

  Returns:
    The mixed batch; its mask is 0 in the box and 1 elsewhere.

  Raises:
    ValueError: For maps that do not fit the images.

  Example:
    >>> key = jax.random.key(0)
    >>> x = jax.random.uniform(key, (4, 8, 8, 3))
    >>> mixed = mixers.saliencymix(key, x, saliency=x.mean(3))
    >>> print(mixed.x.shape, mixed.mask.shape)
    (4, 8, 8, 3) (4, 8, 8, 1)
  """
  _core.check_images(x)
  saliency = _core.check_maps("saliency", saliency, x)
  pairs = _core.draw(
      key, x, alpha=alpha, lam=lam, partner=partner, per_batch=per_batch
  )
  shape = x.shape[1:3]
  centre = jax.vmap(_brightest)(saliency[pairs.partner])
  inside = jax.vmap(functools.partial(_boxes.cut_box, shape))(centre, pairs.lam)
  return _core.mix_by_mask(x, pairs.partner, ~inside)


def guidedmix(
    key: jax.Array,
    x: jax.Array,
    *,
    saliency: jax.Array,
    partner: str | jax.typing.ArrayLike = "saliency",
) -> _core.Mixed:
  """Each pixel by the saliency of its two sources (arXiv 2306.16612).

      x~ = M x_i + (1 - M) x_j,   M = S_i / (S_i + S_j)

  Maps are blurred (7x7, sigma 3) and scaled to sum 1. They alone decide the
  weights, so there is no lambda. By default they choose the partners too: one
  cycle through the batch that goes from each image to the one, among those not
  yet visited, whose map is farthest away (L2), so that objects overlap little.
  It starts at a random row and takes B small steps in sequence. OpenMixup
  computes this cycle and then mixes other pairs.

  Args:
    key: PRNG key.
    x: Images `[B, H, W, C]`, floating.
    saliency: `[B, H, W]`, one map per image, not negative. Constant.
    partner: `saliency` for that cycle, or `permutation`, `roll`, `flip` or
      `int[B]`.

  Returns:
    The mixed batch; its mask is M, 1/2 where neither map has anything.

  Raises:
    ValueError: For maps that do not fit the images.

  Example:
    >>> key = jax.random.key(0)
    >>> x = jax.random.uniform(key, (4, 8, 8, 3))
    >>> mixed = mixers.guidedmix(key, x, saliency=x.mean(3))
    >>> print(mixed.x.shape, mixed.mask.shape)
    (4, 8, 8, 3) (4, 8, 8, 1)
  """
  _core.check_images(x)
  maps = jax.vmap(_normalise)(_core.check_maps("saliency", saliency, x))
  if isinstance(partner, str) and partner == "saliency":
    partner = _farthest_cycle(key, maps)
  partner = _core.draw(
      key, x, alpha=1.0, lam=1.0, partner=partner, per_batch=True
  ).partner
  total = maps + maps[partner]
  mask = jnp.where(total > 0, maps / jnp.where(total > 0, total, 1.0), 0.5)
  return _core.mix_by_mask(x, partner, mask)


def attentivemix(
    key: jax.Array,
    x: jax.Array,
    *,
    features: jax.Array,
    alpha: float = 2.0,
    lam: jax.typing.ArrayLike | None = None,
    partner: str | jax.typing.ArrayLike = "permutation",
    per_batch: bool = False,
    top_k: int | None = None,
) -> _core.Mixed:
  """Keeps the cells a teacher attends to (Attentive CutMix, arXiv 2003.13048).

      x~ = M x_i + (1 - M) x_j,   M = 1 on the k cells of largest mean_d F_i

  By default `k = floor(lam * cells)`, at least 1, as in the AttentiveMix+ of
  OpenMixup, whose benchmarks use alpha = 2; the paper is `top_k=6` of 7x7
  cells, with the roles of the two images exchanged. Ties go to the first cell.

  Args:
    key: PRNG key.
    x: Images `[B, H, W, C]`, floating.
    features: `[B, h, w, D]`, a teacher's features of the images. Constant.
    alpha: lambda ~ Beta(alpha, alpha).
    lam: Fixes lambda instead, a scalar or `[B]`.
    partner: `permutation`, `roll`, `flip` or `int[B]`.
    per_batch: One lambda for the whole batch; cells remain each row's own.
    top_k: Keeps so many cells, whatever lambda is.

  Returns:
    The mixed batch; its mask is 1 in the cells that are kept.

  Raises:
    ValueError: For features that do not fit the images, or top_k that does not
      fit the cells.

  Example:
    >>> key = jax.random.key(0)
    >>> x = jax.random.uniform(key, (4, 8, 8, 3))
    >>> features = jax.random.uniform(key, (4, 4, 4, 16))
    >>> mixed = mixers.attentivemix(key, x, features=features, lam=0.75)
    >>> print(mixed.weights[0])
    [0.75 0.25]
  """
  _core.check_images(x)
  cells = _check_features(features, x, top_k)
  pairs = _core.draw(
      key, x, alpha=alpha, lam=lam, partner=partner, per_batch=per_batch
  )
  count = jnp.clip(jnp.floor(pairs.lam * cells), 1, cells)
  if top_k is not None:
    count = jnp.full_like(count, top_k)
  features = jax.lax.stop_gradient(features).astype(jnp.float32)
  kept = jax.vmap(_highest)(jnp.mean(features, axis=-1), count)
  rows, columns = (_nearest(x.shape[i], features.shape[i]) for i in (1, 2))
  return _core.mix_by_mask(x, pairs.partner, kept[:, rows][:, :, columns])


def _brightest(saliency):
  """The pixel `int32[2]` of the largest saliency."""
  place = jnp.argmax(saliency)
  return jnp.stack(jnp.unravel_index(place, saliency.shape))


def _normalise(saliency):
  """A map `[H, W]` blurred and scaled to sum 1."""
  blurred = _filters.smooth(saliency, _filters.gaussian(7, 3))
  return blurred / jnp.maximum(jnp.sum(blurred), 1e-30)


def _farthest_cycle(key, maps):
  """`int32[B]`: the row after each row in a cycle of greedily large steps."""
  maps = maps.reshape(maps.shape[0], -1)
  products = jnp.matmul(maps, maps.T, precision="highest")
  squares = jnp.diag(products)
  # Squared distances, less what all candidates of one row share.
  distance = squares[None, :] - 2 * products
  start = jax.random.randint(key, (), 0, maps.shape[0])

  def step(_, state):
    row, partner, visited = state
    following = jnp.argmax(jnp.where(visited, -jnp.inf, distance[row]))
    following = jnp.where(jnp.all(visited), start, following).astype(jnp.int32)
    partner = partner.at[row].set(following)
    return following, partner, visited.at[following].set(True)

  rows = jnp.arange(maps.shape[0], dtype=jnp.int32)
  state = jax.tree.map(
      lambda first: _core.vary_with(first, start, maps),
      (start, rows, rows == start),
  )
  return jax.lax.fori_loop(0, maps.shape[0], step, state)[1]


def _highest(scores, count):
  """Marks the `count` highest of scores `[h, w]`, the first of equal ones."""
  order = jnp.argsort(-scores.ravel())
  rank = jnp.zeros_like(order).at[order].set(jnp.arange(order.shape[0]))
  return (rank < count).reshape(scores.shape)


def _nearest(size, cells):
  """The cell of each of `size` pixels."""
  return np.arange(size) * cells // size


def _check_features(features, x, top_k):
  """The number of cells, or ValueError."""
  if features.ndim != 4 or features.shape[0] != x.shape[0]:
    raise ValueError(
        f"features must be [B, h, w, D] with B={x.shape[0]}, got shape"
        f" {features.shape}"
    )
  cells = features.shape[1] * features.shape[2]
  if top_k is not None and not 1 <= top_k <= cells:
    raise ValueError(f"top_k must lie in [1, {cells}], got {top_k}")
  return cells

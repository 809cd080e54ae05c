"""The large-margin loss of FIXED (arXiv 2211.05228)."""

import jax
import jax.numpy as jnp

from dmjax.losses import _labels

REDUCTIONS = ("avg", "worst", "all")
# A distance counts for this many margins, at most, on the wrong side.
_CUT = 3


def large_margin(
    logits: jax.typing.ArrayLike,
    labels: jax.typing.ArrayLike,
    weights: jax.typing.ArrayLike,
    *,
    kernel: jax.typing.ArrayLike,
    margin: jax.typing.ArrayLike = 1e4,
    top_k: int = 1,
    reduction: str = "avg",
) -> jax.Array:
  """The distance of features to the boundaries of their classes, made large.

  With p the softmax of `z^T W + b`, and k the most probable classes but y:

      d_k = (p_y - p_k) / (sg|d(p_y - p_k)/dz| + 1e-8)
      l_y = -clip(d_k, -3 G, G),     L = sum_s w_s l_{y_s}

  d_k is the distance of z to where p_y = p_k, to first order. No gradient flows
  through its denominator, as published, so there is no second derivative. The
  head is linear, which gives the Jacobian in closed form:

      dp_c/dz = p_c (W_c - sum_j p_j W_j)

  =========  ====================================
  Reduction  -clip of several d_k
  =========  ====================================
  `avg`      their mean, then clipped
  `worst`    the smallest, then clipped
  `all`      each clipped, then their mean
  =========  ====================================

  The settings of the authors' code are the defaults.

  Args:
    logits: Of the features z, mixed or not, `[B, C]`, any float dtype.
    labels: Classes of the sources, `int[B, K]`.
    weights: Share of each source, `[B, K]`; ones `[B, 1]` without mixing.
    kernel: W of the head, `[D, C]`; gradients reach it by the logits alone.
    margin: G: distances beyond it are not asked for.
    top_k: Number of other classes, from 1 to C - 1.
    reduction: One of the table.

  Returns:
    `float32[B]` (float64 for float64 logits), computed in that dtype, in
    `[-G, 3 G]` where weights sum to 1. Finite, as its gradient, for logits up
    to 1e4.

  Raises:
    ValueError: For an unknown reduction, options out of range, soft labels,
      shapes that do not fit, and labels or weights out of range when they are
      given as NumPy arrays.

  Example:
    >>> logits = jnp.array([[2.0, 1.0, 0.0, -1.0]])
    >>> labels, weights = jnp.array([[0, 1]]), jnp.array([[0.7, 0.3]])
    >>> kernel = jnp.eye(4)
    >>> loss = losses.large_margin(logits, labels, weights, kernel=kernel)
    >>> print(loss.shape)
    (1,)
  """
  logits, labels, weights = _labels.check_inputs(logits, labels, weights)
  kernel = jax.lax.stop_gradient(jnp.asarray(kernel, logits.dtype))
  _check(logits, labels, kernel, margin, top_k, reduction)

  def row(z, y, w):
    p = jax.nn.softmax(z)
    jacobian = softmax_jacobian(jax.lax.stop_gradient(p), kernel)
    of = lambda label: _reduced(
        _distances(p, jacobian, label, top_k), margin, reduction
    )
    return jnp.sum(w * jax.vmap(of)(y))

  return jax.vmap(row)(logits, labels, weights)


def softmax_jacobian(p: jax.Array, kernel: jax.Array) -> jax.Array:
  """`dp/dz = (diag(p) - p p^T) W^T` of `p = softmax(z^T W + b)`.

  Args:
    p: `[C]`.
    kernel: W, `[D, C]`.

  Returns:
    `[C, D]`.
  """
  return p[:, None] * (kernel.T - (kernel @ p)[None])


def _distances(p, jacobian, label, top_k):
  """Signed distances `[top_k]` to the nearest rivals of a class."""
  others = jnp.where(jnp.arange(p.size) == label, -1.0, p)
  _, rivals = jax.lax.top_k(jax.lax.stop_gradient(others), top_k)
  norms = jnp.linalg.norm(jacobian[label][None] - jacobian[rivals], axis=1)
  return (p[label] - p[rivals]) / (norms + 1e-8)


def _reduced(distances, margin, reduction):
  if reduction == "all":
    return -jnp.mean(_clipped(distances, margin))
  reduce = jnp.mean if reduction == "avg" else jnp.min
  return -_clipped(reduce(distances), margin)


def _clipped(distance, margin):
  return jnp.clip(distance, -_CUT * margin, margin)


def check_options(margin, top_k: int, reduction: str) -> None:
  """Raises ValueError for options of `large_margin` that are out of range."""
  if reduction not in REDUCTIONS:
    raise ValueError(
        f"reduction must be one of {REDUCTIONS}, got {reduction!r}"
    )
  _labels.check_option("margin", margin, "be > 0", lambda v: v > 0)
  if top_k < 1:
    raise ValueError(f"top_k must be >= 1, got {top_k}")


def _check(logits, labels, kernel, margin, top_k, reduction):
  check_options(margin, top_k, reduction)
  classes = logits.shape[1]
  if top_k >= classes:
    raise ValueError(
        f"top_k must lie in [1, {classes - 1}], the classes beside one of"
        f" {classes}, got {top_k}"
    )
  if labels.ndim != 2:
    raise ValueError(
        "labels must be classes int[B, K], got soft ones of shape"
        f" {labels.shape}"
    )
  if kernel.ndim != 2 or kernel.shape[1] != classes:
    raise ValueError(
        f"kernel must be [D, C] with C={classes} as in logits, got shape"
        f" {kernel.shape}"
    )

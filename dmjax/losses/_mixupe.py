"""What MixupE adds to the loss of mixup (arXiv 2212.13381).

Mixup penalises all directional derivatives of the network from an example
towards the others; MixupE makes the penalty of the first one stronger. Averaged
over the others it is the derivative towards the mean of all examples.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dmjax.losses import _labels

# By the Jacobian, and by the logits alone.
OF_SLOPES = ("accurate", "absolute")
VARIANTS = (*OF_SLOPES, "fast", "detached", "speech")


def mixupe(
    logits: jax.typing.ArrayLike,
    labels: jax.typing.ArrayLike,
    *,
    variant: str = "fast",
    tau: jax.typing.ArrayLike = 1.0,
    slopes: jax.typing.ArrayLike | None = None,
) -> jax.Array:
  """The term of MixupE of each clean example (arXiv 2212.13381).

      L = mean(L_mixup) + eta a / (2 a + 1) mean(term),   lam ~ Beta(a, a)

  With z the logits of an example x as it is, g their softmax, y its one-hot
  class, J the Jacobian of z by x and xbar the mean of the training examples:

      d = (g - y)^T J (xbar - x),   m = z^T (y - g)

  ============  ==================  ================  ==========================
  Variant       Term                Gradient through  Origin
  ============  ==================  ================  ==========================
  `accurate`    d where d < tau     J                 published code, version 1
  `absolute`    `|d|`               J                 version 2, the derivation
  `fast`        -m where m < tau    z and g           version 3, of the results
  `detached`    -m                  z                 version 4
  `speech`      `-|m|`              z and g           a co-author's other code
  ============  ==================  ================  ==========================

  **Mind the sign.** A network without biases has z = J x, so that d = m where
  xbar = 0: this is why the fast forms need no Jacobian. Yet the first two
  variants add d and the others subtract m, the same number. They are different
  objectives: the first two ask for small derivatives, the others for large
  margins m, `fast` only up to tau, and `speech` moves examples whose m is
  negative further away from their class.

  Args:
    logits: Of the examples as they are, `[B, C]`, any float dtype.
    labels: Their classes, `int[B]`.
    variant: One of the table.
    tau: Of `accurate` and `fast`: terms from tau on are 0, and so is their
      gradient.
    slopes: J (xbar - x), `[B, C]`, see `directional_derivative`; of `accurate`
      and `absolute`.

  Returns:
    `float32[B]` (float64 for float64 logits), computed in that dtype. Finite,
    as its gradient, for logits up to 1e4.

  Raises:
    ValueError: For an unknown variant, tau that is not finite, shapes that do
      not fit, slopes that are lacking or that nothing asks for, and for labels
      out of range when they are given as NumPy arrays.

  Example:
    >>> logits, labels = jnp.array([[2.0, 1.0, 0.0, -1.0]]), jnp.array([0])
    >>> term = losses.mixupe(logits, labels, variant="detached")
    >>> print(f"{term[0]:.3f}")
    -0.507
  """
  _check(variant, tau, slopes)
  logits, labels = _check_inputs(logits, labels)
  if slopes is not None:
    slopes = jnp.asarray(slopes, logits.dtype)
    if slopes.shape != logits.shape:
      raise ValueError(
          f"slopes must have the shape of logits, {logits.shape}, got shape"
          f" {slopes.shape}"
      )

  def row(z, y, v):
    g = jax.nn.softmax(z)
    if variant not in ("fast", "speech"):
      g = jax.lax.stop_gradient(g)
    return jnp.sum(g * (v - v[y]))  # (g - y)^T v

  v = -logits if slopes is None else slopes
  r = jax.vmap(row)(logits, labels, v)
  if variant in ("accurate", "fast"):
    r = jnp.where(r < tau, r, 0.0)
  elif variant in ("absolute", "speech"):
    r = jnp.abs(r)
  return r if variant in OF_SLOPES else -r


def directional_derivative(
    apply: Callable[[jax.Array], Any],
    x: jax.typing.ArrayLike,
    mean: jax.typing.ArrayLike,
    *,
    has_aux: bool = False,
) -> tuple[Any, ...]:
  """Logits at x, and how they change from there towards the mean.

      z = f(x),   J (xbar - x) = d/dt f(x + t (xbar - x)) at t = 0

  by one `jax.jvp`: about two forward passes, whatever the number of classes.
  All rows move together. Where they see each other, as under batch norm in
  training mode, the slopes of a row say what the motion of the others does as
  well. The published code takes derivatives of the sum of all rows instead;
  the sum of d is the same, the d of a row is not.

  Args:
    apply: `x -> logits`; with `has_aux`, `x -> (logits, aux)`.
    x: The examples, `[B, ...]`, floating.
    mean: xbar, of the shape of x or of one example.
    has_aux: Whether `apply` returns something beside the logits.

  Returns:
    Logits `[B, C]`, slopes `[B, C]`, and with `has_aux` what was beside them.

  Raises:
    ValueError: For examples that are not floating, and a mean of another shape.

  Example:
    >>> x = jnp.array([[1.0, 2.0]])
    >>> apply = lambda x: x @ jnp.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    >>> logits, slopes = losses.directional_derivative(apply, x, jnp.zeros(2))
    >>> print(logits, slopes)
    [[1. 2. 3.]] [[-1. -2. -3.]]
  """
  x = jnp.asarray(x)
  if not jnp.issubdtype(x.dtype, jnp.floating):
    raise ValueError(f"x must be floating to have a derivative, got {x.dtype}")
  mean = jnp.asarray(mean, x.dtype)
  if mean.shape not in (x.shape, x.shape[1:]):
    raise ValueError(
        f"mean must have the shape of x, {x.shape}, or of one example, got"
        f" shape {mean.shape}"
    )
  towards = jnp.broadcast_to(mean, x.shape) - x
  return jax.jvp(apply, (x,), (towards,), has_aux=has_aux)


def rescaling(
    total: jax.typing.ArrayLike,
    mixup: jax.typing.ArrayLike,
    *,
    limit: float = 10.0,
) -> jax.Array:
  """The factor that gives the total loss the value of its mixup loss.

      L = L_total sg(|L_mixup| / |L_total|)

  So published: MixupE changes the gradient, and not the value of the loss. It
  does so only while `L_total > 0`. Below 0, which the variants that subtract
  can reach, the value is `-L_mixup`. Near 0 the published factor has no bound;
  here it is `limit` at most, and the value then below that of `L_mixup`.

  Args:
    total: `L_total`, a scalar (or any shape). Over several devices, its mean.
    mixup: `L_mixup`, likewise.
    limit: The largest factor, 1 or more.

  Returns:
    The factor, `float32`, always finite; no gradient flows through it.

  Raises:
    ValueError: For a limit below 1.

  Example:
    >>> print(losses.rescaling(jnp.float32(2.0), jnp.float32(1.0)))
    0.5
  """
  _labels.check_option("limit", limit, "be >= 1", lambda v: v >= 1)
  dtype = jnp.promote_types(jnp.float32, jnp.result_type(total, mixup))
  total, mixup = (
      jnp.abs(jax.lax.stop_gradient(jnp.asarray(loss, dtype)))
      for loss in (total, mixup)
  )
  # The smallest number changes nothing but 0 / 0.
  return mixup / (jnp.maximum(total, mixup / limit) + jnp.finfo(dtype).tiny)


def _check(variant, tau, slopes):
  if variant not in VARIANTS:
    raise ValueError(f"variant must be one of {VARIANTS}, got {variant!r}")
  _labels.check_option("tau", tau, "be finite", np.isfinite)
  if (slopes is None) == (variant in OF_SLOPES):
    raise ValueError(
        f"slopes are for the variants {OF_SLOPES}, which need them:"
        f" variant={variant!r} got {'none' if slopes is None else 'some'}"
    )


def _check_inputs(logits, labels):
  """Logits in the dtype of the loss, and labels."""
  labels = labels if isinstance(labels, jax.Array) else np.asarray(labels)
  rows = np.shape(logits)[:1]
  integer = jnp.issubdtype(labels.dtype, jnp.integer)
  if labels.shape != rows or not integer:
    raise ValueError(
        f"labels must be integers {rows}, one clean class per row of logits"
        f" {np.shape(logits)}, got {labels.dtype} of shape {labels.shape}"
    )
  own = np.ones((labels.size, 1), np.float32)
  logits, labels, _ = _labels.check_inputs(logits, labels[:, None], own)
  return logits, labels[:, 0]

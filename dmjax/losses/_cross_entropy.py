"""Mixup cross-entropy and its decoupled form, DM(CE) (arXiv 2203.10761)."""

import functools
import operator

import jax
from jax.nn import logsumexp
import jax.numpy as jnp

from dmjax.losses import _labels

# Stands for -inf where a class is removed: exp(_REMOVED - z) is exactly 0 for
# every logit a network can produce, and gradients stay finite when no class is
# left.
_REMOVED = -1e30


def mixup_cross_entropy(
    logits: jax.typing.ArrayLike,
    labels: jax.typing.ArrayLike,
    weights: jax.typing.ArrayLike,
    *,
    label_smoothing: float = 0.0,
) -> jax.Array:
  """Cross-entropy with the mixed label (mixup, arXiv 1710.09412, eq. 1).

      L = sum_k w_k * ( logsumexp(z) - z[y_k] )

  Args:
    logits: `[B, C]`, any float dtype.
    labels: Classes of the sources, `int[B, K]`, or soft labels `[B, K, C]`.
    weights: Share of each source, `[B, K]`, in [0, 1].
    label_smoothing: Smooth each label, then mix.

  Returns:
    `float32[B]` (float64 for float64 logits), computed in that dtype.

  Raises:
    ValueError: For shapes that do not fit, and for labels or weights out of
      range when they are given as NumPy arrays.

  Example:
    >>> logits = jnp.array([[2.0, 1.0, 0.0, -1.0]])
    >>> labels, weights = jnp.array([[0, 1]]), jnp.array([[0.7, 0.3]])
    >>> loss = losses.mixup_cross_entropy(logits, labels, weights)
    >>> print(f"{loss[0]:.3f}")
    0.740
  """
  _labels.check_smoothing(label_smoothing)
  logits, labels, weights = _labels.check_inputs(logits, labels, weights)

  def row(z, y, w):
    return _cross_entropy(z, y, w, _scores(z, y), logsumexp(z), label_smoothing)

  return jax.vmap(row)(logits, labels, weights)


def decoupled_cross_entropy(
    logits: jax.typing.ArrayLike,
    labels: jax.typing.ArrayLike,
    weights: jax.typing.ArrayLike,
    *,
    eta: jax.typing.ArrayLike = 0.1,
    power: float = 0.0,
    threshold: float = 1.0,
    select: str = "both",
    where: jax.typing.ArrayLike | None = None,
    label_smoothing: float = 0.0,
) -> jax.Array:
  """Decoupled mixup cross-entropy, DM(CE) (arXiv 2203.10761, section 3).

  Mixup cross-entropy plus, for every class in the mix, the cross-entropy that
  is left when the *other* mixed classes are taken out of the softmax:

      L  = L_mixup + sum_k eta_k * softplus(R - z[y_k])
      R  = logsumexp( z[c] for classes c that are not in the mix )

  A hard mixed sample, whose pixels disagree with its weights, is so asked to
  be confident about both of its classes instead of regressing their ratio. The
  softplus form equals `-log(p_k / (1 - sum of the other mixed p))` exactly and
  never takes the logarithm of a difference.

  Guarantees:
    * `eta = 0` gives `mixup_cross_entropy`.
    * The term of one class has gradient exactly 0 on the other mixed classes.
    * Values and gradients are finite for logits up to 1e4 and for every edge
      in the table.

  =============================  ==============================================
  Edge                           Result
  =============================  ==============================================
  all sources of one class       no decoupled term
  a class repeated among K > 2   its weights are added up, one term
  a source of weight 0           not in the mix: no term, not removed from R
  every class is in the mix      terms are 0 (C = 2 for a pair)
  soft labels                    CE uses them whole, the decoupled term their
                                 most likely class
  =============================  ==============================================

  Args:
    logits: `[B, C]`, any float dtype.
    labels: Classes of the sources, `int[B, K]`, or soft labels `[B, K, C]`.
    weights: Share of each source, `[B, K]`, in [0, 1].
    eta: Strength of the decoupled term, a scalar.
    power: `eta_k = eta * min((w_k / threshold)**power, 1)`. 0 is the paper's
      constant eta; the configurations published with OpenMixup use 0, 0.5, 1.
    threshold: The weight from which on a source carries the full eta.
    select: Which classes carry a term: `both`, or only that with `less` or
      with `more` weight than all others (all of them in a tie).
    where: bool, broadcastable to `[B, K]`: sources that may carry a term. The
      one-sided form of semi-supervised training is `where=(True, False)`.
    label_smoothing: Smooth each label, then mix; the decoupled term is of the
      class itself.

  Returns:
    `float32[B]` (float64 for float64 logits), computed in that dtype.

  Raises:
    ValueError: For shapes that do not fit, an unknown `select`, options out of
      range, and for labels or weights out of range given as NumPy arrays.

  Example:
    >>> logits = jnp.array([[2.0, 1.0, 0.0, -1.0]])
    >>> labels, weights = jnp.array([[0, 1]]), jnp.array([[0.7, 0.3]])
    >>> loss = losses.decoupled_cross_entropy(logits, labels, weights, eta=0.1)
    >>> print(f"{loss[0]:.3f}")
    0.798
  """
  if select not in ("both", "less", "more"):
    raise ValueError(f"select must be both, less or more, got {select!r}")
  _labels.check_option("eta", eta, "be >= 0", lambda v: v >= 0)
  _labels.check_rescaling(power, threshold)
  _labels.check_smoothing(label_smoothing)
  logits, labels, weights = _labels.check_inputs(logits, labels, weights)
  where = jnp.asarray(True if where is None else where)
  where = jnp.broadcast_to(where, weights.shape)

  def row(z, y, w, carries):
    classes = list(y if y.ndim == 1 else jnp.argmax(y, -1))
    shares, carries = _merge_repeated(classes, w, carries)
    selected = _selected(shares, select)
    logits_of_classes = [z[c] for c in classes]
    log_z, terms = _log_z_and_terms(z, classes, w, shares, logits_of_classes)
    scores = logits_of_classes if y.ndim == 1 else _scores(z, y)
    loss = _cross_entropy(z, y, w, scores, log_z, label_smoothing)
    for share, term, carry, keep in zip(shares, terms, carries, selected):
      strength = eta * _labels.rescale(share, power, threshold)
      loss += jnp.where(carry & keep, strength, 0.0) * term
    return loss

  return jax.vmap(row)(logits, labels, weights, where)


# What is of a source is a scalar here, K of them in a list: vmapped, these are
# vectors over the batch, where an array [B, K] would have a last axis too short
# to compute fast.


def _scores(z, y):
  """<t_k, z> of each source: a logit, or their mean under a soft label."""
  return [z[t] if y.ndim == 1 else t @ z for t in y]


def _cross_entropy(z, y, w, scores, log_z, label_smoothing):
  """sum_k w_k (log_z - <t_k, z>) with t_k the smoothed label of source k."""
  masses = [1.0 if y.ndim == 1 else jnp.sum(t) for t in y]
  if label_smoothing:
    keep, mean = 1 - label_smoothing, label_smoothing * jnp.mean(z)
    scores = [keep * score + mean for score in scores]
    masses = [keep * mass + label_smoothing for mass in masses]
  return functools.reduce(operator.add, (
      share * (mass * log_z - score)
      for share, mass, score in zip(w, masses, scores)
  ))


def _log_z_and_terms(z, classes, w, shares, scores):
  """logsumexp(z) and the K terms softplus(R - z[y_k]) of one example."""
  index = jnp.arange(z.shape[0])
  in_mix = _any(index == jnp.where(v > 0, c, -1) for c, v in zip(classes, w))
  # Added rather than selected, so that the backward pass needs no mask: what is
  # removed has probability exp(_REMOVED) = 0 and so a gradient of exactly 0.
  rest = z + jnp.where(in_mix, _REMOVED, 0.0)
  top = jax.lax.stop_gradient(jnp.max(rest))
  mass = jnp.sum(jnp.exp(rest - top))
  mixed = [share > 0 for share in shares]
  scores = [jnp.where(m, score, _REMOVED) for m, score in zip(mixed, scores)]
  # The same masked reduction gives the full softmax: only K logits are missing.
  peak = jax.lax.stop_gradient(functools.reduce(jnp.maximum, scores, top))
  total = mass * jnp.exp(top - peak) + sum(jnp.exp(x - peak) for x in scores)
  several = sum(m.astype(int) for m in mixed) > 1
  terms = [
      jnp.where(m & several, _softplus_of_gap(top, mass, score), 0.0)
      for m, score in zip(mixed, scores)
  ]
  return peak + jnp.log(total), terms


def _softplus_of_gap(top, mass, score):
  """softplus(R - score) for R = top + log(mass), without computing R."""
  above = score > top
  # Not |score - top|, which has no derivative in a tie.
  fall = jnp.exp(jnp.where(above, top - score, score - top))
  odds = jnp.where(above, mass * fall, mass - 1 + fall)
  return jnp.log1p(odds) + jnp.where(above, 0.0, top - score)


def _any(conditions):
  return functools.reduce(jnp.logical_or, conditions, False)


def _merge_repeated(classes, weights, carries):
  """Moves weight and `carries` of repeated classes to their first source."""
  shares, merged = [], []
  for k, own in enumerate(classes):
    same = [own == other for other in classes]
    share = sum(jnp.where(s, w, 0.0) for s, w in zip(same, weights))
    shares.append(jnp.where(_any(same[:k]), 0.0, share))
    merged.append(_any(s & c for s, c in zip(same, carries)))
  return shares, merged


def _selected(shares, select):
  """Which of the shares carry a term; ties all do."""
  if select == "both":
    return [True] * len(shares)
  if select == "more":
    most = functools.reduce(jnp.maximum, shares)
    return [share == most for share in shares]
  positive = [jnp.where(share > 0, share, jnp.inf) for share in shares]
  least = functools.reduce(jnp.minimum, positive)
  return [share == least for share in shares]

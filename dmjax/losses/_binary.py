"""Decoupled binary cross-entropy, DM(BCE) (arXiv 2203.10761)."""

import jax
import jax.numpy as jnp

from dmjax.losses import _labels


def mixup_binary_cross_entropy(
    logits: jax.typing.ArrayLike,
    labels: jax.typing.ArrayLike,
    weights: jax.typing.ArrayLike,
    *,
    threshold: float = 1.0,
    power: float = 1.0,
    where: jax.typing.ArrayLike | None = None,
    label_smoothing: float = 0.0,
    target_threshold: float | None = None,
) -> jax.Array:
  """Binary cross-entropy on two-hot targets; DM(BCE) (arXiv 2203.10761).

      t = min( sum_k r(w_k) onehot(y_k), 1 ),  r(w) = min((w / threshold)**power, 1)
      L = sum_c softplus(z_c) - t_c z_c

  It is DM(BCE) for `power` or `threshold` below 1, and plain mixup BCE at 1.
  Sigmoid classes do not compete, so what is decoupled is the target: with
  `power < 1` or `threshold < 1` both classes are asked for with more confidence
  than their weights. Targets are clipped to 1, without which the loss of a
  same-class pair has no lower bound.

  Two options have similar names. `threshold` rescales the weight of a source,
  and targets stay soft. `target_threshold` comes last and makes each target
  hard, `t > target_threshold` (timm's `bce_target_thresh`; RSB, arXiv
  2110.00476): then no gradient reaches the weights.

  Args:
    logits: `[B, C]`, any float dtype.
    labels: Classes of the sources, `int[B, K]`, or soft labels `[B, K, C]`.
    weights: Share of each source, `[B, K]`, in [0, 1].
    threshold: The weight from which on a target is 1; positive.
    power: Exponent of the rescaling; at 0 every source's target is 1.
    where: bool, broadcastable to `[B, K]`: sources whose weight is rescaled;
      the others keep theirs. All by default.
    label_smoothing: Smooth each label, then mix.
    target_threshold: In [0, 1). The target of a class is 1 where it exceeds
      this number, else 0; None keeps targets soft.

  Returns:
    `float32[B]` (float64 for float64 logits): the sum over classes.

  Raises:
    ValueError: For shapes that do not fit, options out of range, and for labels
      or weights out of range when they are given as NumPy arrays.

  Example:
    >>> logits = jnp.array([[2.0, 1.0, 0.0, -1.0]])
    >>> labels, weights = jnp.array([[0, 1]]), jnp.array([[0.7, 0.3]])
    >>> loss = losses.mixup_binary_cross_entropy(logits, labels, weights)
    >>> print(f"{loss[0]:.3f}")
    2.747
  """
  _labels.check_rescaling(power, threshold)
  _labels.check_smoothing(label_smoothing)
  _labels.check_target_threshold(target_threshold)
  logits, labels, weights = _labels.check_inputs(logits, labels, weights)
  where = jnp.asarray(True if where is None else where)
  where = jnp.broadcast_to(where, weights.shape)

  def row(z, y, w, rescaled):
    shares = jnp.where(rescaled, _labels.rescale(w, power, threshold), w)
    targets = shares @ _labels.smooth(y, label_smoothing, z.shape[0])
    targets = jnp.minimum(targets, 1.0)
    if target_threshold is not None:
      targets = (targets > target_threshold).astype(z.dtype)
    return jnp.sum(jax.nn.softplus(z) - targets * z)

  return jax.vmap(row)(logits, labels, weights, where)

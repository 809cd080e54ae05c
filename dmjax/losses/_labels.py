"""What the losses share: checked inputs, merged classes, rescaled weights."""

import jax
import jax.numpy as jnp
import numpy as np


def check_inputs(logits, labels, weights):
  """Returns the three arrays in the dtype of the loss, or raises ValueError."""
  # Host arrays (NumPy, lists) are checked by value; arrays on the device are
  # checked by shape only, since looking at them would stall the device.
  _check_host_values(logits, labels, weights)
  dtype = jnp.promote_types(jnp.float32, jnp.result_type(logits))
  logits = jnp.asarray(logits, dtype)
  labels, weights = jnp.asarray(labels), jnp.asarray(weights, dtype)
  if logits.ndim != 2:
    raise ValueError(f"logits must be [B, C], got shape {logits.shape}")
  batch, classes = logits.shape
  if weights.ndim != 2 or weights.shape[0] != batch:
    raise ValueError(
        f"weights must be [B, K] with B={batch} as in logits, got shape"
        f" {weights.shape}; one weight per source"
    )
  soft = jnp.issubdtype(labels.dtype, jnp.floating)
  expected = weights.shape + (classes,) if soft else weights.shape
  if labels.shape != expected:
    raise ValueError(
        f"labels must have shape {expected} to go with logits {logits.shape}"
        f" and weights {weights.shape} (integer labels [B, K], soft labels"
        f" [B, K, C]), got shape {labels.shape}"
    )
  return logits, labels.astype(dtype) if soft else labels, weights


def _check_host_values(logits, labels, weights):
  if isinstance(weights, (np.ndarray, list, tuple)):
    values = np.asarray(weights, np.float64)
    if values.size and not 0 <= values.min() <= values.max() <= 1:
      raise ValueError(
          "weights must lie in [0, 1], got values from"
          f" {values.min()} to {values.max()}"
      )
  if isinstance(labels, (np.ndarray, list, tuple)):
    values, classes = np.asarray(labels), np.shape(logits)[-1]
    integer = np.issubdtype(values.dtype, np.integer)
    if integer and values.size and not 0 <= values.min() <= values.max() < classes:
      raise ValueError(
          f"labels must lie in [0, {classes}) for logits with {classes}"
          f" classes, got values from {values.min()} to {values.max()}"
      )


def check_option(name, value, words, fits):
  """Raises ValueError unless what is given on the host is finite and fits."""
  if any(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(value)):
    return  # It may be traced.
  values = np.asarray(value, np.float64)
  if not np.all(np.isfinite(values) & fits(values)):
    raise ValueError(f"{name} must {words}, got {value}")


def check_rescaling(power, threshold):
  """Raises ValueError for a power or threshold out of range."""
  check_option("power", power, "be >= 0", lambda v: v >= 0)
  check_option("threshold", threshold, "be > 0", lambda v: v > 0)


def check_smoothing(label_smoothing):
  """Raises ValueError for a label smoothing outside [0, 1)."""
  check_option(
      "label_smoothing", label_smoothing, "lie in [0, 1)",
      lambda v: (v >= 0) & (v < 1),
  )


def check_target_threshold(target_threshold):
  """Raises ValueError for a threshold of targets outside [0, 1)."""
  if target_threshold is not None:
    check_option(
        "target_threshold", target_threshold, "lie in [0, 1)",
        lambda v: (v >= 0) & (v < 1),
    )


def rescale(weights, power, threshold):
  """min((w / threshold)**power, 1) for w > 0, and 0 for a source of weight 0."""
  # The inner `where` keeps the gradient of w**power finite at w = 0.
  positive = jnp.where(weights > 0, weights, 1.0)
  rescaled = jnp.minimum((positive / threshold) ** power, 1.0)
  return jnp.where(weights > 0, rescaled, 0.0)


def smooth(labels, label_smoothing, num_classes):
  """One-hot labels [..., C], smoothed towards uniform (arXiv 1512.00567)."""
  if not jnp.issubdtype(labels.dtype, jnp.floating):
    labels = jax.nn.one_hot(labels, num_classes)
  return (1 - label_smoothing) * labels + label_smoothing / num_classes


def soft_labels(
    labels: jax.typing.ArrayLike,
    weights: jax.typing.ArrayLike,
    num_classes: int,
    *,
    label_smoothing: float = 0.0,
) -> jax.Array:
  """The mixed label as one distribution: `sum_k w_k t_k` for losses of others.

  Args:
    labels: Classes of the sources, `int[B, K]`, or soft labels `[B, K, C]`.
    weights: Share of each source, `[B, K]`.
    num_classes: C.
    label_smoothing: Each source's label is smoothed first, then mixed.

  Returns:
    `float32[B, C]`. Rows sum to 1 when the weights do.

  Example:
    >>> labels, weights = jnp.array([[0, 2]]), jnp.array([[0.75, 0.25]])
    >>> print(losses.soft_labels(labels, weights, num_classes=4))
    [[0.75 0.   0.25 0.  ]]
  """
  check_smoothing(label_smoothing)
  targets = smooth(jnp.asarray(labels), label_smoothing, num_classes)
  return jnp.einsum("bk,bkc->bc", jnp.asarray(weights), targets)

"""Wrong labels: how many of them a network has learned (arXiv 1710.09412, 3.4).

Sums add up over batches and devices, as those of `dmjax.evaluate.metrics`.
"""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp


def memorised_sums(
    logits: jax.Array,
    labels: jax.Array,
    true_labels: jax.Array,
    valid: jax.Array,
) -> dict[str, jax.Array]:
  """Sums over training rows, of which some have a wrong label.

  Args:
    logits: `[B, C]`.
    labels: Those that are trained on, `int[B]`.
    true_labels: Those that would be right, `int[B]`.
    valid: `bool[B]`, false for padding.

  Returns:
    `count` of the rows and `wrong_count` of those with a wrong label;
    `memorised`, how many of the latter are predicted as their wrong label, and
    `train_top1_true`, how many rows are predicted as their true one.
  """
  said = jnp.argmax(logits, axis=-1)
  wrong = valid & (labels != true_labels)
  total = lambda rows: jnp.sum(rows, dtype=jnp.float32)
  return {
      "count": total(valid),
      "wrong_count": total(wrong),
      "memorised": total(wrong & (said == labels)),
      "train_top1_true": total(valid & (said == true_labels)),
  }


def measure(
    predict: Callable[..., jax.Array],
) -> Callable[..., dict[str, jax.Array]]:
  """Builds `measure(state, batch) -> sums`.

  Args:
    predict: `predict(state, batch) -> logits`.

  Returns:
    The function. A batch holds `x`, `label`, `true_label` and `valid`.
  """

  def sums(state, batch):
    return memorised_sums(
        predict(state, batch), batch["label"], batch["true_label"],
        batch["valid"],
    )

  return sums


def summarize(sums: Mapping[str, jax.typing.ArrayLike]) -> dict[str, float]:
  """Sums over all training rows -> the two metrics, as fractions.

  Args:
    sums: What `memorised_sums` added up to.

  Returns:
    `memorised`, of the wrong labels, 0 where there are none; and
    `train_top1_true`, of all training rows.
  """
  wrong = max(float(sums["wrong_count"]), 1.0)
  return {
      "memorised": float(sums["memorised"]) / wrong,
      "train_top1_true": float(sums["train_top1_true"]) / float(sums["count"]),
  }

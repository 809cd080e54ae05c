"""Accuracy, calibration and the label mismatch of mixed data.

Every metric is a sum over examples that adds up over batches and devices, and
is divided once at the end: results do not depend on the batch size, and rows of
padding, marked by `valid`, count for nothing.
"""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np

BINS = 15


def clean_sums(
    logits: jax.Array, labels: jax.Array, valid: jax.Array
) -> dict[str, jax.Array]:
  """Sums for top-1, top-5, NLL and the expected calibration error.

  Args:
    logits: `[B, C]`.
    labels: `int[B]`.
    valid: `bool[B]`, false for padding.

  Returns:
    `count`, `top1`, `top5`, `nll` and `bins [15, 3]`: per equal-width bin of
    confidence the count, the confidence and the hits.
  """
  logits = logits.astype(jnp.float32)
  log_p = jax.nn.log_softmax(logits)
  score = jnp.take_along_axis(logits, labels[:, None], axis=1)
  hits = jnp.argmax(logits, -1) == labels
  # The rank of the label: how many classes score higher.
  rank = jnp.sum(logits > score, axis=1)
  nll = -jnp.take_along_axis(log_p, labels[:, None], axis=1)[:, 0]
  return {
      "count": jnp.sum(valid, dtype=jnp.float32),
      "top1": jnp.sum(hits & valid, dtype=jnp.float32),
      "top5": jnp.sum((rank < 5) & valid, dtype=jnp.float32),
      "nll": jnp.sum(jnp.where(valid, nll, 0.0)),
      "bins": _calibration_bins(jnp.exp(log_p.max(-1)), hits, valid),
  }


def _calibration_bins(confidence, hits, valid):
  """Bins (i / 15, (i + 1) / 15] of the confidence, `[15, 3]`."""
  index = jnp.clip(jnp.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
  columns = jnp.stack([jnp.ones_like(confidence), confidence, hits], axis=1)
  columns = columns * valid[:, None]
  return jnp.zeros((BINS, 3)).at[index].add(columns)


def mixed_sums(
    logits: jax.Array, labels: jax.Array, valid: jax.Array
) -> dict[str, jax.Array]:
  """Sums for the label mismatch of mixed data (arXiv 2203.10761, figure 1).

  Args:
    logits: Of mixed images, `[B, C]`.
    labels: The classes of the pair, `int[B, 2]`.
    valid: `bool[B]`. Pairs of one class are left out as well.

  Returns:
    `mixed_count`, `mixed_top1`: the first prediction is one of the two
    classes; `mixed_top2`: the first two predictions are the two classes.
  """
  valid = valid & (labels[:, 0] != labels[:, 1])
  _, top = jax.lax.top_k(logits.astype(jnp.float32), 2)
  first = jnp.any(top[:, :1] == labels, axis=1)
  both = jnp.all(jnp.sort(top, -1) == jnp.sort(labels, -1), axis=1)
  return {
      "mixed_count": jnp.sum(valid, dtype=jnp.float32),
      "mixed_top1": jnp.sum(first & valid, dtype=jnp.float32),
      "mixed_top2": jnp.sum(both & valid, dtype=jnp.float32),
  }


def measure(
    predict: Callable[..., jax.Array], mixer: Callable[..., object] | None
) -> Callable[..., dict[str, jax.Array]]:
  """Builds `measure(state, batch) -> sums` on clean and on mixed images.

  Args:
    predict: `predict(state, batch) -> logits`.
    mixer: The mixer of the mixed images; None for clean ones alone.

  Returns:
    The function. A batch holds `x` and `label`, `other` with the `x` and `label`
    that each row is mixed with, `valid [B]` and one `key` per row, so that the
    mixed images do not depend on the batch they come in.
  """

  def mix(key, x, other):
    pair = jnp.stack([x, other])
    return mixer(key, pair, partner=jnp.array([1, 0])).x[0]

  def sums(state, batch):
    valid = batch["valid"]
    found = clean_sums(predict(state, batch), batch["label"], valid)
    if mixer is None:
      return found
    other = batch["other"]
    labels = jnp.stack([batch["label"], other["label"]], axis=1)
    mixed = jax.vmap(mix)(batch["key"], batch["x"], other["x"])
    logits = predict(state, batch | {"x": mixed})
    return found | mixed_sums(logits, labels, valid)

  return sums


def summarize(sums: Mapping[str, np.ndarray]) -> dict[str, float]:
  """Sums over a whole split -> the metrics, as fractions.

  Args:
    sums: What `clean_sums` and, if present, `mixed_sums` added up to.

  Returns:
    `top1`, `top5`, `nll`, `ece` and, if present, `mixed_top1`, `mixed_top2`.
  """
  count, confidence, hits = np.moveaxis(np.asarray(sums["bins"], float), -1, 0)
  metrics = {k: sums[k] / sums["count"] for k in ("top1", "top5", "nll")}
  # Bin by bin |accuracy - confidence|, weighted by the share of the bin.
  metrics["ece"] = np.abs(hits - confidence).sum() / count.sum()
  if "mixed_count" in sums:
    pairs = max(float(sums["mixed_count"]), 1.0)
    metrics |= {k: sums[k] / pairs for k in ("mixed_top1", "mixed_top2")}
  return {k: float(v) for k, v in metrics.items()}

"""Accuracy and calibration on the test rows as they are."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from dmjax.evaluate import calibration
from dmjax.evaluate.probes import base


def cases(options: base.Options) -> list[base.Case]:
  """The test rows."""
  del options
  return [base.Case("clean")]


def measure(model: base.Model, program: str):
  """`logits`, `float32[B, C]`, and whether they are right, `hit [B]`."""
  del program

  def outcomes(state, batch, setting):
    del setting
    logits = model.logits(state, batch["x"]).astype(jnp.float32)
    return {"logits": logits, "hit": base.judged(logits, batch["label"])["hit"]}

  return outcomes


def summarize(
    cases: Sequence[base.Case],
    outcomes: Sequence[base.Outcomes],
    labels: np.ndarray,
) -> list[dict[str, Any]]:
  """Accuracy, NLL, and calibration before and after a temperature.

  Args:
    cases: The test rows.
    outcomes: Their `logits [N, C]` and `hit [N]`, of two rows or more.
    labels: `int[N]`.

  Returns:
    `top1`, `top5`, `nll`, `brier`, `ece` (15 bins of equal width) and
    `ece_adaptive` (of equal mass) of all rows; `temperature`, fitted on a fixed
    fifth of them, and `tempered_nll` and `tempered_ece` of the others; and
    `reliability`, a list of `[rows, mean confidence, accuracy]` of each bin.
  """
  del cases
  return [_metrics(one["logits"], one["hit"], labels) for one in outcomes]


def _metrics(logits, hits, labels):
  own = np.take_along_axis(logits, labels[:, None], axis=1)
  # The rank of the label: how many classes score higher.
  rank = np.sum(logits > own, axis=1)
  log_p = calibration.log_softmax(logits)
  confidence = np.exp(log_p.max(1))
  table = calibration.reliability(confidence, hits)
  return {
      "top1": float(np.mean(hits, dtype=float)),
      "top5": float(np.mean(rank < 5)),
      "nll": _nll(log_p, labels),
      "brier": calibration.brier(np.exp(log_p), labels),
      "ece": calibration.expected_calibration_error(confidence, hits),
      "ece_adaptive": calibration.expected_calibration_error(
          confidence, hits, adaptive=True
      ),
      **_tempered(logits, hits, labels),
      "reliability": table.tolist(),
  }


def _tempered(logits, hits, labels):
  """A temperature of one part of the rows, and what it does to the others."""
  fit = _held_out(len(labels))
  temperature = calibration.fit_temperature(logits[fit], labels[fit])
  log_p = calibration.log_softmax(logits[~fit] / temperature)
  return {
      "temperature": temperature,
      "tempered_nll": _nll(log_p, labels[~fit]),
      "tempered_ece": calibration.expected_calibration_error(
          np.exp(log_p.max(1)), hits[~fit]
      ),
  }


def _held_out(rows):
  """`bool[rows]`, true for a fifth of them, the same in every run.

  They are drawn: every fifth row of a dataset may well be of the same classes.
  """
  fit = np.zeros(rows, bool)
  fit[np.random.default_rng(0).permutation(rows)[: max(rows // 5, 1)]] = True
  return fit


def _nll(log_p, labels):
  return float(-np.mean(np.take_along_axis(log_p, labels[:, None], axis=1)))


def draw(
    axes: Any,
    cases: Sequence[base.Case],
    runs: Mapping[str, Sequence[Mapping[str, Any]]],
    *,
    metric: str = "",
) -> None:
  """Reliability diagram: accuracy over confidence, a line for each run.

  The larger a marker, the more rows are in its bin.

  Args:
    axes: Of matplotlib.
    cases: The test rows.
    runs: Metrics of each case, by the name of the run.
    metric: Not used: the bins are drawn.
  """
  del cases, metric
  axes.plot((0, 1), (0, 1), color="grey", linewidth=0.8, linestyle="--")
  for name, (metrics,) in runs.items():
    table = np.array(metrics["reliability"])
    count, confidence, accuracy = table[table[:, 0] > 0].T
    label = f"{name}: ECE {metrics['ece']:.1%}"
    (line,) = axes.plot(confidence, accuracy, linewidth=1.3, label=label)
    size = 4 + 60 * count / count.sum()
    axes.scatter(confidence, accuracy, s=size, color=line.get_color())
  axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="accuracy")
  axes.legend(frameon=False, fontsize=8, loc="upper left")


PROBE = base.Probe(
    about="accuracy and calibration of the test rows as they are",
    cases=cases,
    measure=measure,
    summarize=summarize,
    draw=draw,
)

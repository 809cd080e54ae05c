"""Verification: whether two rows are of one class, by their embeddings."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from dmjax.evaluate import verification
from dmjax.evaluate.probes import base

# All pairs of more rows would not fit the memory of a small machine.
_MOST = 6_000
# Points of the curve that is drawn.
_POINTS = 200


def cases(options: base.Options) -> list[base.Case]:
  """The test rows, or those of another split, such as unseen speakers.

  What runs a probe opens the split, since datasets are not known here.

  Args:
    options: Of the probes; `trials` names the split.

  Returns:
    One case.
  """
  if not options.trials:
    return [base.Case("test rows")]
  return [base.Case(options.trials, split=options.trials)]


def measure(model: base.Model, program: str):
  """`embedding`, `float32[B, D]`."""
  del program

  def outcomes(state, batch, setting):
    del setting
    return {"embedding": model.embed(state, batch["x"]).astype(jnp.float32)}

  return outcomes


def summarize(
    cases: Sequence[base.Case],
    outcomes: Sequence[base.Outcomes],
    labels: np.ndarray,
) -> list[dict[str, Any]]:
  """Errors of the cosine of two embeddings, over all pairs of rows.

  Args:
    cases: The rows.
    outcomes: Their `embedding [N, D]`, `label [N]` and `number [N]`.
    labels: Not used: rows of another split have their own.

  Returns:
    `eer`, `min_dcf` (prior 0.01), numbers of `trials` and `targets`, and
    `errors`, a list of `[share of others accepted, share of targets missed]` at
    thresholds that rise.

  Raises:
    ValueError: For more rows than all pairs are made of.
  """
  del cases, labels
  return [_metrics(one) for one in outcomes]


def _metrics(one):
  if len(one["label"]) > _MOST:
    raise ValueError(
        f"verification pairs all rows, {_MOST:,} at most, got"
        f" {len(one['label']):,}; take --limit {_MOST}"
    )
  scores, targets = verification.trials(
      one["embedding"], one["label"], one["number"]
  )
  errors = np.stack(verification.error_rates(scores, targets), axis=1)
  shown = np.unique(np.linspace(0, len(errors) - 1, _POINTS).astype(int))
  return {
      "eer": verification.equal_error_rate(scores, targets),
      "min_dcf": verification.min_detection_cost(scores, targets),
      "trials": len(scores),
      "targets": int(targets.sum()),
      "errors": errors[shown].tolist(),
  }


def draw(
    axes: Any,
    cases: Sequence[base.Case],
    runs: Mapping[str, Sequence[Mapping[str, Any]]],
    *,
    metric: str = "",
) -> None:
  """Targets missed over others accepted, a line for each run.

  Args:
    axes: Of matplotlib.
    cases: The rows.
    runs: Metrics of each case, by the name of the run.
    metric: Not used: both errors are drawn.
  """
  del cases, metric
  axes.plot((0, 1), (0, 1), color="grey", linewidth=0.8, linestyle="--")
  for name, (metrics,) in runs.items():
    label = f"{name}: EER {metrics['eer']:.1%}"
    (line,) = axes.plot(*np.array(metrics["errors"]).T, label=label)
    axes.scatter(*[metrics["eer"]] * 2, s=16, color=line.get_color())
  axes.set(xlim=(0, 1), ylim=(0, 1))
  axes.set(xlabel="others accepted", ylabel="targets missed")
  axes.legend(frameon=False, fontsize=8, loc="upper right")


PROBE = base.Probe(
    about="whether two rows are of one class, by the cosine of embeddings",
    cases=cases,
    measure=measure,
    summarize=summarize,
    metric="eer",
    row="",
    draw=draw,
    on_request=True,
)

"""Outliers: whether rows of another dataset are met with less confidence."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dmjax.evaluate import ranking
from dmjax.evaluate.probes import base

# Higher on the test rows, if all goes well.
_SCORES = {"softmax": "max softmax", "energy": "negative energy"}


def cases(options: base.Options) -> list[base.Case]:
  """The test rows and those of the other dataset; none without such a one.

  Images of the latter are resized to those of the run.

  Args:
    options: Of the probes; `ood` names the other dataset.

  Returns:
    Two cases, or none.
  """
  if not options.ood:
    return []
  return [
      base.Case("in", series="test rows"),
      base.Case("out", series=options.ood, place=1.0, dataset=options.ood),
  ]


def measure(model: base.Model, program: str):
  """Two scores of a row, `float32[B]`.

  Args:
    model: The network.
    program: Not used.

  Returns:
    A function that gives `softmax`, for the largest probability (arXiv
    1610.02136) its log-odds, which are in the same order and still differ where
    float32 has nothing but 1; and `energy`, for the energy (arXiv 2010.03759,
    at T = 1) its negative, `log sum_c exp(z_c)`.
  """
  del program

  def outcomes(state, batch, setting):
    del setting
    logits = model.logits(state, batch["x"]).astype(jnp.float32)
    first = jax.nn.one_hot(jnp.argmax(logits, -1), logits.shape[-1], dtype=bool)
    others = jax.nn.logsumexp(logits, axis=-1, where=~first)
    return {
        "softmax": jnp.max(logits, axis=-1) - others,
        "energy": jax.nn.logsumexp(logits, axis=-1),
    }

  return outcomes


def summarize(
    cases: Sequence[base.Case],
    outcomes: Sequence[base.Outcomes],
    labels: np.ndarray,
) -> list[dict[str, float]]:
  """How well the scores tell each case from the test rows.

  Args:
    cases: The test rows, and the others.
    outcomes: Scores of each.
    labels: Not used.

  Returns:
    `auroc_softmax`, `fpr95_softmax`, `auroc_energy` and `fpr95_energy` of each
    case against the test rows: 1/2 for these themselves.
  """
  del cases, labels
  return [_against(outcomes[0], one) for one in outcomes]


def _against(inside, outside):
  found = {}
  for score in _SCORES:
    pair = inside[score], outside[score]
    found[f"auroc_{score}"] = ranking.auroc(*pair)
    found[f"fpr95_{score}"] = ranking.fpr_at_95_tpr(*pair)
  return found


def draw(
    axes: Any,
    cases: Sequence[base.Case],
    runs: Mapping[str, Sequence[Mapping[str, float]]],
    *,
    metric: str = "",
) -> None:
  """AUROC of both scores, a bar for each run.

  Args:
    axes: Of matplotlib.
    cases: The test rows, and the others.
    runs: Metrics of each case, by the name of the run.
    metric: Not used: both are drawn.
  """
  del cases, metric
  width, places = 0.8 / len(runs), np.arange(len(_SCORES))
  for i, (name, metrics) in enumerate(runs.items()):
    heights = [metrics[-1][f"auroc_{score}"] for score in _SCORES]
    left = places - 0.4 + i * width
    axes.bar(left, heights, 0.95 * width, align="edge", label=name)
  axes.axhline(0.5, color="grey", linewidth=0.8, linestyle="--")
  axes.set_xticks(places, _SCORES.values())
  axes.set(ylim=(0, 1), ylabel="AUROC")
  axes.legend(fontsize=8, loc="lower right")


PROBE = base.Probe(
    about="rows of another dataset told from the test rows by their scores",
    cases=cases,
    measure=measure,
    summarize=summarize,
    metric="auroc_softmax",
    row="",
    draw=draw,
)

"""Corruptions: fifteen of them at five severities (arXiv 1903.12261).

All but JPEG are computed on the device, see `dmjax.evaluate.corruptions`. Where
`Options.corrupted` names a folder with public arrays, such as CIFAR-10-C, these
are read instead.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from dmjax.evaluate import corruptions
from dmjax.evaluate.corruptions import _stored
from dmjax.evaluate.probes import base

_SEVERITIES = 1, 2, 3, 4, 5
_CLEAN = "clean"


def cases(options: base.Options) -> list[base.Case]:
  """The clean test rows, and every corruption at every severity.

  Args:
    options: Whose `corrupted` may name a folder of public arrays.

  Returns:
    76 cases.

  Raises:
    ValueError: For a folder that is not laid out as CIFAR-10-C.
  """
  if options.corrupted:
    _stored.open_arrays(options.corrupted, corruptions.NAMES)
  return [base.Case(_CLEAN, series=_CLEAN)] + [
      _case(name, severity, bool(options.corrupted))
      for name in corruptions.NAMES
      for severity in _SEVERITIES
  ]


def _case(name, severity, is_stored):
  """Images that come corrupted are measured as clean ones are."""
  title = f"{name}, {severity}"
  case = base.Case(title, place=float(severity), series=name)
  if is_stored or name not in corruptions.CORRUPTIONS:
    return case._replace(data=title)
  return case._replace(program=name, setting={"severity": severity})


def measure(model: base.Model, program: str) -> Any:
  """`(state, batch, setting) -> outcomes`, of rows that it corrupts.

  Args:
    model: The model.
    program: A key of `CORRUPTIONS`; empty to leave the rows as they are.

  Returns:
    The function, see `base.judged` for the outcomes.
  """

  def outcomes(state, batch, setting):
    x = batch["x"]
    if program:
      corrupt = jax.vmap(corruptions.CORRUPTIONS[program], (0, 0, None))
      x = corrupt(batch["key"], x, setting["severity"])
    return base.judged(model.logits(state, x), batch["label"])

  return outcomes


def source(case: base.Case, test: Any, options: base.Options) -> Any:
  """The rows of a case that names them: `jpeg_compression, 3`.

  Args:
    case: The case.
    test: Source of the test rows.
    options: Whose `corrupted` may name a folder of public arrays.

  Returns:
    A source of as many rows. Public arrays have their own order and labels.

  Raises:
    ValueError: For public arrays that do not fit the test rows.
  """
  name, severity = case.series, int(case.place)
  if not options.corrupted:
    return test._replace(read=_encoded(test.read, severity))
  arrays = _stored.open_arrays(options.corrupted, corruptions.NAMES)
  _stored.check_fits(arrays, test.size, test.num_classes)
  read, label = _stored.reader(arrays, name, severity, test.size)
  return test._replace(read=read, label=label, present=())


def _encoded(read, severity):
  def read_encoded(index):
    row = read(index)
    return row | {"x": corruptions.jpeg_compression(row["x"], severity)}

  return read_encoded


def overall(
    cases: Sequence[base.Case], metrics: Sequence[Mapping[str, float]]
) -> dict[str, Any]:
  """Means over severities, and over corruptions.

  The mean corruption error is that of top-1, as it is reported of CIFAR-10-C:
  it is not divided by the errors of another network.

  Args:
    cases: The cases.
    metrics: Of each, with `top1` and `nll`.

  Returns:
    `clean_error`, `mean_corruption_error`, and by corruption `error` and `nll`.
  """
  found = list(zip(cases, metrics))
  mean = lambda metric, name: float(
      np.mean([m[metric] for case, m in found if case.series == name])
  )
  names = list(dict.fromkeys(case.series for case in cases))
  names.remove(_CLEAN)
  error = {name: 1 - mean("top1", name) for name in names}
  return {
      "clean_error": 1 - mean("top1", _CLEAN),
      "mean_corruption_error": float(np.mean(list(error.values()))),
      "error": error,
      "nll": {name: mean("nll", name) for name in names},
  }


def draw(
    axes: Any,
    cases: Sequence[base.Case],
    runs: Mapping[str, Sequence[Mapping[str, Any]]],
    *,
    metric: str,
) -> None:
  """The mean over corruptions by severity, and each of them behind it, thin.

  Args:
    axes: Of matplotlib.
    cases: The cases, the clean one first.
    runs: Metrics of each case, by the name of the run.
    metric: Which of them.
  """
  series = dict.fromkeys(case.series for case in cases[1:])
  for number, (run, metrics) in enumerate(runs.items()):
    clean, *rest = (each[metric] for each in metrics)
    table = np.reshape(rest, (len(series), -1))
    table = np.insert(table, 0, clean, axis=1)
    axes.plot(table.T, color=f"C{number}", linewidth=0.5, alpha=0.35)
    axes.plot(table.mean(axis=0), color=f"C{number}", marker="o", markersize=3,
              label=f"{run}, mean of {len(series)}")
  axes.set_ylabel(metric, fontsize=8)
  axes.tick_params(labelsize=8)
  axes.legend(fontsize=6, frameon=False)


PROBE = base.Probe(
    about="accuracy under fifteen corruptions at five severities",
    kinds=("image",),
    cases=cases,
    measure=measure,
    axis="severity",
    summarize=base.means,
    draw=draw,
    source=source,
)

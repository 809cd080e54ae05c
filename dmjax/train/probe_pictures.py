"""What probes have found out, as a picture: a panel for each probe."""

from collections.abc import Mapping
import pathlib
from typing import Any

from matplotlib import figure as figure_lib
import numpy as np

from dmjax.evaluate import probes as probes_lib
from dmjax.train import probing

_STYLES = ("-", "--", ":", "-.")
_COLUMNS = 4


def save(
    found: Mapping[str, Mapping[str, probing.Found]], path: pathlib.Path,
    *, title: str = "",
) -> None:
  """Draws a panel for each probe, a line style for each run.

  Args:
    found: By run and probe; all runs have the same probes.
    path: The picture.
    title: Above it.
  """
  names = list(next(iter(found.values())))
  columns = min(len(names), _COLUMNS)
  rows = -(-len(names) // columns)
  figure = figure_lib.Figure(
      figsize=(3.6 * columns, 3.2 * rows + 0.3), layout="constrained"
  )
  panels = figure.subplots(rows, columns, squeeze=False).flat
  for axes in panels[len(names):]:
    axes.set_axis_off()
  for axes, name in zip(panels, names):
    probe = probes_lib.PROBES[name]
    of_runs = {run: of_run[name] for run, of_run in found.items()}
    cases = next(iter(of_runs.values())).cases
    metrics = {run: each.metrics for run, each in of_runs.items()}
    (probe.draw or curves)(axes, cases, metrics, metric=probe.metric)
    axes.set_title(name, fontsize=10)
    axes.set_xlabel(probe.axis or axes.get_xlabel(), fontsize=8)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
  figure.suptitle(title, fontsize=11)
  figure.savefig(path, dpi=130)


def curves(
    axes: Any, cases, metrics: Mapping[str, Any], *, metric: str
) -> None:
  """The metric over the place of the cases.

  A style for each run, and a colour for each series, or for each run where there
  is but one.
  """
  series = list(dict.fromkeys(case.series for case in cases))
  for place, (run, of_cases) in enumerate(metrics.items()):
    style = _STYLES[place % len(_STYLES)]
    for number, name in enumerate(series):
      number = number if len(series) > 1 else place
      points = [
          (case.place, each[metric]) for case, each in zip(cases, of_cases)
          if case.series == name
      ]
      label = name or run
      axes.plot(
          *np.array(sorted(points)).T, style, marker="o", markersize=2.5,
          color=f"C{number % 10}", linewidth=1.2,
          label=label if run == next(iter(metrics)) or not name else None,
      )
  axes.set_ylabel(metric, fontsize=8)
  axes.tick_params(labelsize=8)
  axes.legend(fontsize=6, frameon=False, ncols=1 + len(series) // 9)

"""What probes have found out, as tables and as JSON."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from dmjax.evaluate import bootstrap
from dmjax.evaluate import probes as probes_lib
from dmjax.train import probing

_AllFound = Mapping[str, Mapping[str, probing.Found]]
# More cases than this are told by series; the JSON has them all.
_MANY = 12
# More series than this have a mean.
_SERIES = 6
_Compared = Mapping[str, Mapping[str, list[bootstrap.Interval]]]


def compare(found: _AllFound) -> _Compared:
  """The first run minus each other one, by that one and by probe."""
  first, *others = found
  return {
      other: {
          name: differences(name, found[first][name], found[other][name])
          for name in found[first]
      }
      for other in others
  }


def print_tables(found: _AllFound, compared: _Compared) -> None:
  """A table for each probe: a line for each series and run, then differences."""
  first = next(iter(found))
  for name, of_first in found[first].items():
    print(f"\n{name}: {probes_lib.PROBES[name].about}")
    for run in found:
      if compared:
        print(f" {run}")
      _print_series(found[run][name], probes_lib.PROBES[name].metric)
    for other, of_probes in compared.items():
      print(f" {first} - {other}, in points, with 95 % bootstrap intervals")
      lines = [case.name for case in of_first.cases], of_probes[name]
      if len(of_first.cases) > _MANY and probes_lib.PROBES[name].row:
        lines = _by_series(name, of_first, found[other][name])
      for label, interval in zip(*lines):
        cells = [100 * value for value in interval]
        print("  {:<32}{:+8.2f}  [{:+.2f}, {:+.2f}]".format(label, *cells))


def _by_series(name, one, other):
  """Series, and the difference of their means over all of their cases."""
  row = probes_lib.PROBES[name].row
  series = list(dict.fromkeys(case.series for case in one.cases))

  def rows(of_run, wanted):
    found = zip(of_run.cases, of_run.outcomes)
    return np.mean([o[row] for case, o in found if case.series == wanted], axis=0)

  return [f"mean of {each}" for each in series], [
      bootstrap.of_means(rows(one, each), rows(other, each)) for each in series
  ]


def _print_series(of_run, metric):
  """Scalars of a single case; else the metric by place, a line a series."""
  if len(of_run.cases) == 1:
    for key, value in of_run.metrics[0].items():
      if np.isscalar(value):
        print(f"  {key:<28}{value:>10.4f}")
    return
  by_series = {}
  for case, metrics in zip(of_run.cases, of_run.metrics):
    by_series.setdefault(case.series, []).append((case.place, metrics[metric]))
  if len(by_series) > _SERIES:
    points = [p for points in by_series.values() if len(points) > 1 for p in points]
    places = sorted({place for place, _ in points})
    by_series["mean"] = [
        (place, np.mean([v for p, v in points if p == place])) for place in places
    ]
  for series, points in by_series.items():
    cells = "  ".join(f"{place:g}: {value:.2%}" for place, value in points)
    print(f"  {series or metric:<22}{cells}")


def differences(
    name: str, one: probing.Found, other: probing.Found
) -> list[bootstrap.Interval]:
  """The difference of the metric of a probe, for each case.

  Args:
    name: Of the probe.
    one: Of a run.
    other: Of another, on the same rows.

  Returns:
    `one - other`, with intervals.
  """
  probe = probes_lib.PROBES[name]
  if probe.row:
    return [
        bootstrap.of_means(a[probe.row], b[probe.row])
        for a, b in zip(one.outcomes, other.outcomes)
    ]

  def metrics_of(rows):
    return tuple(
        [each[probe.metric] for each in probe.summarize(
            one.cases,
            [{k: v[r] for k, v in o.items()} for r, o in zip(rows, run.outcomes)],
            one.labels[rows[0]],
        )]
        for run in (one, other)
    )

  sizes = [len(outcomes["label"]) for outcomes in one.outcomes]
  return bootstrap.of_metrics(metrics_of, sizes)


def as_json(found: _AllFound, compared: _Compared) -> dict[str, Any]:
  """Everything but the rows."""
  first = next(iter(found.values()))

  def by_case(of_each):
    return {
        name: [
            {"case": case.name, **values}
            for case, values in zip(first[name].cases, of_each(name))
        ]
        for name in first
    }

  return {
      "rows": len(next(iter(first.values())).labels),
      "runs": {
          run: by_case(lambda name: of_run[name].metrics)
          for run, of_run in found.items()
      },
      "differences": {
          other: by_case(lambda name: [i._asdict() for i in of_probes[name]])
          for other, of_probes in compared.items()
      },
  }

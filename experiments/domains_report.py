"""The page and the picture of `experiments.domains`."""

from collections.abc import Iterable, Mapping, Sequence
import pathlib
from typing import Any

from matplotlib import figure as figure_lib
import numpy as np

from experiments import grid
from experiments import tables

Rows = Sequence[Mapping[str, Any]]
# What is subtracted, for the same seeds.
CONTROLS = ("mixup", "ERM, bottleneck")


def means(rows: Rows, name: str, variant: str) -> dict[str, float]:
  """By seed, the mean over the domains left out, in percent."""
  found = {}
  for row in rows:
    if (row["set"], row["variant"]) == (name, variant):
      found.setdefault(row["seed"], []).append(100 * float(row["top1"]))
  return {seed: float(np.mean(values)) for seed, values in found.items()}


def of_domain(rows: Rows, name: str, variant: str, domain: str) -> list[float]:
  """Accuracies on one domain that was left out, in percent."""
  key = name, variant, domain
  return [
      100 * float(row["top1"]) for row in rows
      if (row["set"], row["variant"], row["domain"]) == key
  ]


def table(rows: Rows, name: str, variants: Iterable[str]) -> str:
  """A line for each variant, a column for each domain and their mean."""
  domains = _of(rows, name, "domain")
  lines = []
  for variant in variants:
    mean = means(rows, name, variant)
    if mean:
      cells = [of_domain(rows, name, variant, domain) for domain in domains]
      less = [
          grid.difference(mean, means(rows, name, other), scale=1)
          if variant != other else "" for other in CONTROLS
      ]
      cells = [*cells, list(mean.values())]
      cells = [tables.mean_and_deviation(cell) for cell in cells]
      lines.append((variant, *cells, *less))
  head = ("", *domains, "mean", *(f"- {other}" for other in CONTROLS))
  return tables.markdown(head, lines)


def page(rows: Rows, chosen: Mapping[Any, Any], variants: Iterable[str]) -> str:
  """The page: a table for each set, and the settings."""
  sets = list(dict.fromkeys(row["set"] for row in rows))
  parts = [
      f"## {name}, {len(_of(rows, name, 'seed'))} seeds\n\n"
      + table(rows, name, variants) for name in sets
  ]
  settings = tables.markdown(("set", "variant", "setting"), [
      (name, variant, ", ".join(f"{k} {v}" for k, v in setting.items()))
      for (name, variant), setting in chosen.items()
  ], names=3)
  body = "\n\n".join(parts)
  return f"""# A domain left out

    python -m experiments.domains --data_dir ~/tensorflow_datasets --select
    python -m experiments.domains --data_dir ~/tensorflow_datasets

Two CPU cores. The network is trained on all domains but one, and tested on
that one after the last step: accuracy in percent, mean ± standard deviation
over seeds, and its mean over the domains. The last two columns are paired
differences of that mean in points, with their standard error: to mixup of the
inputs, and to the network with a bottleneck, neither mixed nor with a domain
head. All but `ERM` and `mixup` have the bottleneck, 256 wide.

{body}

![mean accuracy on what was left out](left_out.png)

## Settings

Adam, rate 0.002 with a cosine, weight decay 0.0001. Digits: two dense layers of
128, not augmented, 600 steps of 64; spoken digits: the temporal CNN, 200 steps
of 50. Every row has a lambda of its own; eta of DM is 0.1. Chosen on the
digits, by accuracy on a fifth of the training rows, of the domains that are
trained on, one seed and every domain left out in turn: alpha of 0.2 and 1,
reversal of 0.1 and 1, margin of 1, 10 and 10000. FIX, FIX with DM and FIXED
take over reversal and alpha. The speakers take over all but the reversal, which
was chosen on their own training rows, after a first run with that of the
digits, 1: then DANN had 64.75 %, FIX 66.93, FIX with DM 66.68 and FIXED 74.49.

{settings}
"""


def picture(rows: Rows, path: pathlib.Path, variants: Iterable[str]) -> None:
  """Means over the domains left out: a point for each seed, a bar for all."""
  sets = list(dict.fromkeys(row["set"] for row in rows))
  figure = figure_lib.Figure(
      figsize=(3.6 * len(sets) + 1, 3), layout="constrained"
  )
  panels = figure.subplots(1, len(sets), sharey=True, squeeze=False)[0]
  names = [v for v in variants if any(row["variant"] == v for row in rows)]
  for axes, name in zip(panels, sets):
    for place, variant in enumerate(names):
      values = list(means(rows, name, variant).values())
      if values:
        axes.plot(values, [place] * len(values), "o", color="0.65", ms=4)
        axes.plot(np.mean(values), place, "|", color="C0", ms=16, mew=2.5)
    axes.set_title(f"{name}: a domain left out", fontsize=9)
    axes.set_xlabel("accuracy on it, mean over domains, %", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
  panels[0].set_yticks(range(len(names)), names)
  panels[0].invert_yaxis()
  figure.savefig(path, dpi=150)


def _of(rows, name, key):
  """Values of a column of a set, in their order."""
  return list(dict.fromkeys(row[key] for row in rows if row["set"] == name))

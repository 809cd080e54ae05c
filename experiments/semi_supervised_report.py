"""The page and the pictures of `experiments.semi_supervised`."""

from collections.abc import Sequence
import pathlib

from matplotlib import pyplot as plt
import numpy as np

from experiments import grid
from experiments import tables

METRICS = ("top1", "nll", "believed", "right", "right_of_all")
CONTROLS = (
    "labelled only, weak", "labelled only, strong", "labelled only, mixup",
)
# What DM, or mixing, is compared with, for the same seeds.
PAIRS = (
    ("MixMatch, DM", "MixMatch"),
    ("ReMixMatch, DM", "ReMixMatch"),
    ("FixMatch, mixup, one head", "FixMatch"),
    ("FixMatch, mixup, two heads", "FixMatch"),
    ("FixMatch, DM, one head", "FixMatch, mixup, one head"),
    ("FixMatch, DM, two heads", "FixMatch, mixup, two heads"),
    ("FixMatch, symmetric DM, two heads", "FixMatch, mixup, two heads"),
    ("FixMatch, DM, two heads", "FixMatch, symmetric DM, two heads"),
    ("Self-Tuning, mixup", "Self-Tuning"),
    ("Self-Tuning, DM", "Self-Tuning, mixup"),
)
_DRAWN = (
    "pseudo-label", "FixMatch", "FixMatch, mixup, one head",
    "FixMatch, DM, one head", "FixMatch, DM, two heads",
)


def page(rows: Sequence[dict[str, str]]) -> str:
  """The page: means, gains over the best control, paired differences."""
  seeds = sorted({int(row["seed"]) for row in rows})
  return f"""# Digits: what do unlabelled images add, and DM?

    python -m experiments.semi_supervised{_arguments(seeds, _labels(rows))}

ResNet-8, 600 steps of 32 labelled and 128 unlabelled images, two CPU cores,
clean top-1 in percent on the 360 held-out digits, mean ± standard deviation over
seeds, whose number is in brackets. A seed draws other labels, and the same ones for
every row. Settings are those of `configs/digits.py`, chosen on a fifth of the
training digits.

{accuracies(rows)}

Gain over the best of the three rows with labelled images only, the best by its
mean, in points (mean ± standard error of the paired difference):

{gains(rows)}

Paired differences (mean ± standard error):

{differences(rows)}

Pseudo-labels of all training images after the last step: the share whose
largest probability is at least 0.8, how many of these are right, and how many
of all are; training does not see these labels.

{pseudo_labels(rows)}

![accuracy](plot.png)
![pseudo-labels over time](pseudo_labels.png)
"""


def _arguments(seeds, labels):
  """What was asked for, where it is not the whole table."""
  words = lambda name, found: f" --{name} {' '.join(map(str, found))}"
  return words("seeds", seeds) + words("labels", labels)


def values(rows, labels, variant, metric="top1"):
  """By seed, in percent; the last value of those over time."""
  return {
      int(row["seed"]): 100 * float(row[metric].split()[-1]) for row in rows
      if row["variant"] == variant and int(row["labels"]) == labels
  }


def accuracies(rows) -> str:
  """The table of all rows."""
  lines = [
      (variant, *(_mean(values(rows, n, variant)) for n in _labels(rows)))
      for variant in _variants(rows)
  ]
  return tables.markdown(_head(rows), lines)


def gains(rows) -> str:
  """What each method adds to the best control."""
  best = {n: _best(rows, n) for n in _labels(rows)}
  lines = [
      (variant, *(_difference(rows, n, variant, best[n]) for n in _labels(rows)))
      for variant in _variants(rows) if variant not in CONTROLS
  ]
  lines.insert(0, ("(the best of labelled only)", *(
      best[n].removeprefix("labelled only, ") for n in _labels(rows)
  )))
  return tables.markdown(_head(rows), lines)


def differences(rows) -> str:
  """What DM, heads and mixing change."""
  lines = [
      (f"{one} - {other}", *(
          _difference(rows, n, one, other) for n in _labels(rows)
      ))
      for one, other in PAIRS
      if {one, other} <= set(_variants(rows))
  ]
  return tables.markdown(_head(rows), lines)


def pseudo_labels(rows) -> str:
  """Shares and accuracies after the last step."""
  lines = []
  for variant in _variants(rows):
    cells = []
    for n in _labels(rows):
      shown = [values(rows, n, variant, m).values() for m in METRICS[2:]]
      means = [f"{np.mean(list(found)):.1f}" for found in shown if found]
      cells.append(" / ".join(means) or "-")
    lines.append((variant, *cells))
  return tables.markdown(_head(rows), lines)


def plots(rows, folder: pathlib.Path) -> None:
  """Accuracy of all rows, and pseudo-labels over time."""
  _plot_accuracy(rows, folder / "plot.png")
  _plot_time(rows, folder / "pseudo_labels.png")


def _plot_accuracy(rows, path):
  variants, labels = _variants(rows), _labels(rows)
  figure, panels = plt.subplots(
      1, len(labels), figsize=(11, 0.3 * len(variants) + 1.2), sharey=True,
      squeeze=False,
  )
  for axes, n in zip(panels[0], labels):
    for place, variant in enumerate(variants):
      found = np.array(list(values(rows, n, variant).values()))
      if found.size:
        colour = "C7" if variant in CONTROLS else "C0"
        axes.errorbar(
            found.mean(), place, xerr=found.std(), fmt="o", capsize=3,
            color=colour,
        )
    axes.set_title(f"{n} labels a class")
    axes.grid(alpha=0.3, axis="x")
    axes.set_xlabel("clean top-1, %")
  panels[0, 0].set_yticks(range(len(variants)), variants)
  panels[0, 0].invert_yaxis()
  figure.tight_layout()
  figure.savefig(path, dpi=110)
  plt.close(figure)


def _plot_time(rows, path):
  labels = _labels(rows)
  figure, panels = plt.subplots(
      2, len(labels), figsize=(11, 5.2), sharex=True, squeeze=False
  )
  for column, n in enumerate(labels):
    for place, variant in enumerate(_DRAWN):
      for axes, metric in zip(panels[:, column], ("believed", "right")):
        found = [
            [float(v) for v in row[metric].split()] for row in rows
            if row["variant"] == variant and int(row["labels"]) == n
        ]
        if found:
          curve = 100 * np.mean(found, axis=0)
          steps = 100 * np.arange(1, len(curve) + 1)
          axes.plot(steps, curve, f"C{place}", marker=".", label=variant)
    panels[0, column].set_title(f"{n} labels a class")
    panels[1, column].set_xlabel("step")
  panels[0, 0].set_ylabel("above 0.8, %")
  panels[1, 0].set_ylabel("right of these, %")
  figure.legend(
      *panels[0, 0].get_legend_handles_labels(), frameon=False, fontsize=8,
      ncols=len(_DRAWN), loc="lower center",
  )
  figure.tight_layout(rect=(0, 0.05, 1, 1))
  figure.savefig(path, dpi=110)
  plt.close(figure)


def _head(rows):
  return ("", *(f"{n} a class" for n in _labels(rows)))


def _labels(rows):
  return sorted({int(row["labels"]) for row in rows})


def _variants(rows):
  return list(dict.fromkeys(row["variant"] for row in rows))


def _mean(found):
  """With the number of seeds."""
  if not found:
    return "-"
  return f"{tables.mean_and_deviation(list(found.values()))} ({len(found)})"


def _best(rows, n):
  known = [c for c in CONTROLS if values(rows, n, c)] or list(CONTROLS)
  mean = lambda control: np.mean(list(values(rows, n, control).values()) or [0])
  return max(known, key=mean)


def _difference(rows, n, one, other):
  pair = (values(rows, n, variant) for variant in (one, other))
  return grid.difference(*pair, scale=1)

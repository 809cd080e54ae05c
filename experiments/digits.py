"""Does DM help on the digits? Mixers x losses x label counts x seeds.

    python -m experiments.digits

Trains ResNet-8 with no mixing, MixUp and CutMix, each with cross-entropy and
with DM(CE), on 100, 300 and all 1,437 labels, ten seeds each, and writes
`experiments/digits/`: results.csv (a row per run), README.md (mean and spread)
and plot.png.

Without mixing DM(CE) is cross-entropy, so that row stands once. Seeds are run
one after the other: on two CPU cores `vmap` over ten seeds took 12.9 ms per
seed and step, single steps took 8.9 ms.
"""

from collections.abc import Sequence
import functools
import itertools
import pathlib

from matplotlib import figure as figure_lib
import numpy as np

from dmjax.data import derived
from dmjax.data import sources
from experiments import grid
from experiments import tables

OUT = pathlib.Path(__file__).parent / "digits"
# Words of the recipe.
VARIANTS = {
    "no mixing": "", "mixup": ",mixup", "mixup, DM(CE)": ",mixup,dm",
    "cutmix": ",cutmix", "cutmix, DM(CE)": ",cutmix,dm",
}
LABELS = {100: 400, 300: 400, 1437: 1320}  # Number of labels -> steps.
KEYS = ("labels", "variant", "seed")
METRICS = ("top1", "ece", "nll", "mixed_top1", "mixed_top2")
SHOWN = {
    "top1": "clean top-1", "ece": "ECE", "mixed_top1": "mixed top-1",
    "mixed_top2": "mixed top-2",
}


def main(arguments: Sequence[str] | None = None) -> None:
  """Trains what is missing, and writes the page."""
  parser = grid.arguments(__doc__, OUT, VARIANTS, seeds=10)
  args = parser.parse_args(arguments)
  cells = [] if args.report else itertools.product(
      LABELS, args.variants, args.seeds
  )
  train = functools.partial(measure, smoke=args.smoke)
  with grid.shared_programs():
    rows = grid.fill(args.out / "results.csv", KEYS, METRICS, cells, train)
  (args.out / "README.md").write_text(page(rows))
  plot(rows, args.out / "plot.png")


def measure(
    labels: int, variant: str, seed: int, *, smoke: bool = False
) -> dict[str, float]:
  """The metrics of a run on some of the labels, others for every seed."""
  steps = LABELS[labels]
  changes = {
      "total": f"{steps} steps", "schedule.warmup": f"{steps // 30} steps",
      "steps_per_call": 1,
  }
  return grid.train(
      f"digits:resnet8{VARIANTS[variant]}", changes, seed,
      sources=few(labels), smoke=smoke,
  )


@functools.cache
def few(labels: int):
  """`seed -> {"train": so many of the digits}`."""
  source = sources.open_source("digits", "train")

  def draw(seed):
    rows = np.random.default_rng(seed).permutation(source.size)[:labels]
    return {"train": derived.subset(source, rows)}

  return draw


def page(rows: Sequence[grid.Row]) -> str:
  """The page: means, standard deviations and paired differences over seeds."""
  return f"""# Digits: mixers, DM(CE) and the number of labels

    python -m experiments.digits

ResNet-8 (0.08 M parameters), one CPU core, {len({row["seed"] for row in rows})}
seeds; percent, mean ± standard deviation over seeds, on the 360 held-out digits.
400 steps for 100 and 300 labels, 1,320 for all of them. Mixed columns are measured
on CutMix images (alpha 1): the first prediction is one of the two classes; the
first two are both of them. eta is 0.1 throughout.

{means(rows)}

Paired difference DM(CE) - CE of clean top-1, in points, over the same seeds
(mean ± standard error):

{differences(rows)}

![accuracy](plot.png)
"""


def means(rows: Sequence[grid.Row]) -> str:
  """The table of all cells."""
  lines = [
      (labels, variant, *(
          grid.mean(rows, metric, labels=labels, variant=variant)
          for metric in SHOWN
      ))
      for labels, variant in itertools.product(LABELS, VARIANTS)
      if grid.of(rows, "top1", labels=labels, variant=variant)
  ]
  return tables.markdown(("labels", "", *SHOWN.values()), lines, names=2)


def differences(rows: Sequence[grid.Row]) -> str:
  """The table of what DM adds to the accuracy, for the same seed."""
  mixers = ("mixup", "cutmix")
  lines = [
      (labels, *(
          grid.difference(*(
              grid.of(rows, "top1", labels=labels, variant=variant)
              for variant in (f"{mixer}, DM(CE)", mixer)
          ))
          for mixer in mixers
      ))
      for labels in LABELS
  ]
  return tables.markdown(("labels", *mixers), lines)


def plot(rows: Sequence[grid.Row], path: pathlib.Path) -> None:
  """Clean top-1 of every cell, a panel per number of labels."""
  figure = figure_lib.Figure(figsize=(10, 3.0), layout="constrained")
  panels = figure.subplots(1, len(LABELS))
  for axes, labels in zip(panels, LABELS):
    for place, variant in enumerate(VARIANTS):
      found = grid.of(rows, "top1", labels=labels, variant=variant)
      values = 100 * np.array(list(found.values()))
      if values.size:
        axes.errorbar(
            values.mean(), place, xerr=values.std(), fmt="o", capsize=3,
            color="C1" if "DM" in variant else "C0",
        )
    axes.set_title(f"{labels} labels")
    axes.set_xlabel("clean top-1, %")
    axes.set_yticks(range(len(VARIANTS)), VARIANTS)
    axes.label_outer()
    axes.invert_yaxis()
    axes.grid(alpha=0.3, axis="x")
  figure.savefig(path, dpi=120)


if __name__ == "__main__":
  main()

"""Wrong labels: what does mixing learn of them, and DM?

    python -m experiments.label_noise

Trains ResNet-8 on all 1,437 digits, of whose labels a fifth, a half or four
fifths are replaced by another class, as in Section 3.4 of mixup (arXiv
1710.09412), where alpha is 8 or 32. Writes `experiments/label_noise/`:
results.csv, README.md and plot.png. The wrong labels are the same for all seeds,
which draw parameters, batches and mixes.
"""

from collections.abc import Sequence
import functools
import itertools
import pathlib

from matplotlib import figure as figure_lib
import numpy as np

from experiments import grid
from experiments import tables

OUT = pathlib.Path(__file__).parent / "label_noise"
KEYS = ("share", "variant", "seed")
METRICS = ("top1", "memorised", "train_top1_true", "nll", "ece")
SHARES = (0.2, 0.5, 0.8)
STEPS = 1320
# Words behind those of the network, and what is changed.
VARIANTS = {
    "no mixing": ("", {}),
    "mixup": (",mixup", {}),
    "mixup, DM": (",mixup,dm", {}),
    "mixup, alpha 8": (",mixup", {"mix.alpha": 8.0}),
    "mixup, alpha 8, DM": (",mixup,dm", {"mix.alpha": 8.0}),
    "CutMix": (",cutmix", {}),
    "CutMix, DM": (",cutmix,dm", {}),
}
CONTROL = "no mixing"


def main(arguments: Sequence[str] | None = None) -> None:
  """Trains what is missing, and writes the page."""
  args = grid.arguments(__doc__, OUT, VARIANTS).parse_args(arguments)
  cells = [] if args.report else itertools.product(
      SHARES, args.variants, args.seeds
  )
  train = functools.partial(measure, smoke=args.smoke)
  with grid.shared_programs():
    rows = grid.fill(args.out / "results.csv", KEYS, METRICS, cells, train)
  (args.out / "README.md").write_text(page(rows))
  plot(rows, args.out / "plot.png")


def measure(
    share: float, variant: str, seed: int, *, smoke: bool = False
) -> dict[str, float]:
  """The metrics of a run, among them what it memorised."""
  words, changes = VARIANTS[variant]
  changes = changes | {
      "data.label_noise": share, "total": f"{STEPS} steps",
      "schedule.warmup": f"{STEPS // 30} steps", "steps_per_call": 1,
      "evaluate.mix": {"name": "identity"},
  }
  return grid.train(f"digits:resnet8{words}", changes, seed, smoke=smoke)


def page(rows: Sequence[grid.Row]) -> str:
  """The page of README.md."""
  parts = [table(rows, share) for share in SHARES]
  return f"""# Digits with wrong labels

    python -m experiments.label_noise

One CPU core. {len({row["seed"] for row in rows})} seeds; ResNet-8, {STEPS} steps of 64
of the 1,437 training digits, and the 360 test digits, whose labels are right, after
the last step. Percent, mean ± standard deviation over seeds;
differences are of accuracy in points, paired by seed, mean ± standard error.
`memorised` is the share of the wrong labels that are predicted, `right anyway`
that of all training digits whose true class is predicted. Settings are those of the
recipes; nothing was chosen.

{chr(10).join(parts)}
![Accuracy against what is memorised](plot.png)
"""


def table(rows: Sequence[grid.Row], share: float) -> str:
  """The variants with one share of wrong labels."""
  lines = []
  for variant in VARIANTS:
    names = {"share": share, "variant": variant}
    own = grid.of(rows, "top1", **names)
    if not own:
      continue
    less = lambda other: grid.difference(
        own, grid.of(rows, "top1", share=share, variant=other)
    )
    plain = variant.removesuffix(", DM")
    lines.append((
        variant, *(grid.mean(rows, m, **names) for m in METRICS[:3]),
        grid.mean(rows, "ece", **names),
        "" if variant == CONTROL else less(CONTROL),
        "" if variant == plain else less(plain),
    ))
  head = ("", "top-1", "memorised", "right anyway", "ECE", "- no mixing", "DM - CE")
  return f"## {share:.0%} wrong\n\n{tables.markdown(head, lines)}\n"


def plot(rows: Sequence[grid.Row], path: pathlib.Path) -> None:
  """Test accuracy against the share of wrong labels that is memorised."""
  figure = figure_lib.Figure(figsize=(10, 3.4), layout="constrained")
  panels = np.atleast_1d(figure.subplots(1, len(SHARES)))
  for axes, share in zip(panels, SHARES):
    for variant in VARIANTS:
      x, y = (
          100 * np.array(list(
              grid.of(rows, metric, share=share, variant=variant).values()
          )) for metric in ("memorised", "top1")
      )
      axes.plot(x, y, "^" if "DM" in variant else "o", label=variant, alpha=0.7)
    axes.set_title(f"{share:.0%} of the labels wrong")
    axes.set_xlabel("memorised wrong labels, %")
    axes.grid(alpha=0.3)
  panels[0].set_ylabel("clean top-1, %")
  figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right",
                frameon=False)
  figure.savefig(path, dpi=110)


if __name__ == "__main__":
  main()

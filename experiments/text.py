"""Few sentences: does mixing them help, and DM?

    python -m experiments.text --data_dir ~/tensorflow_datasets --select
    python -m experiments.text --data_dir ~/tensorflow_datasets

500 sentences of TREC and of SST-2, and small networks that start from nothing.
The first command chooses settings on 1,000 other training sentences of TREC;
the second trains what is missing of `results.csv`, and draws README.md and
differences.png. A seed draws the sentences, the parameters and the batches, the
same for all methods.
"""

from collections.abc import Mapping, Sequence
import functools
import itertools
import json
import pathlib
from typing import Any

import numpy as np

from dmjax import recipes
from dmjax.data import derived
from dmjax.data import sources as sources_lib
from experiments import grid
from experiments import tables
from experiments import text_report as report

OUT = pathlib.Path(__file__).parent / "text"
KEYS = ("set", "variant", "seed")
TRIED = ("variant", "setting", "seed")
ROWS, HELD_OUT = 500, 1000
SELECTION_SEEDS = (100, 101)

_SHARED = {
    "total": "12 epochs", "schedule.warmup": "0 steps", "steps_per_call": 1,
}
# Words of the recipes, and what is changed in them.
SETS = {
    "TREC, CNN": ("trec:text_cnn", _SHARED | {"optimizer.lr": 4e-3}),
    "SST-2, CNN": ("sst2:text_cnn", _SHARED | {"optimizer.lr": 4e-3}),
    "TREC, Transformer": (
        "trec:text_transformer", _SHARED | {"optimizer.lr": 1e-3}
    ),
}
# Words behind those of the set.
VARIANTS = {
    "ERM": "",
    "word mixup": ",wordmixup",
    "word mixup, DM": ",wordmixup,dm",
    "sentence mixup": ",sentencemixup",
    "sentence mixup, DM": ",sentencemixup,dm",
    "Mixup-Transformer": ",mixup_transformer",
    "Mixup-Transformer, DM": ",mixup_transformer,dm",
    "DoubleMix": ",doublemix",
    "DoubleMix, sentence mixup": ",sentencemixup,doublemix",
    "DoubleMix, sentence mixup, DM": ",sentencemixup,doublemix,dm",
}
# What is tried of each, given what was chosen before it.
GRID = {
    "word mixup": [{"mix.alpha": value} for value in (0.2, 1.0)],
    "sentence mixup": [{"mix.alpha": value} for value in (0.2, 1.0)],
    "sentence mixup, DM": [{"loss.eta": value} for value in (0.1, 0.5)],
}
# Whose choices each takes over.
INHERITED = {
    "word mixup, DM": ("word mixup", "sentence mixup, DM"),
    "sentence mixup, DM": ("sentence mixup",),
    "Mixup-Transformer": ("sentence mixup",),
    "Mixup-Transformer, DM": ("sentence mixup", "sentence mixup, DM"),
    "DoubleMix, sentence mixup": ("sentence mixup",),
    "DoubleMix, sentence mixup, DM": ("sentence mixup", "sentence mixup, DM"),
}


def main(arguments: Sequence[str] | None = None) -> None:
  """Chooses settings, or runs what is missing of the table and writes it."""
  parser = grid.arguments(__doc__, OUT, VARIANTS)
  parser.add_argument("--sets", nargs="+", default=list(SETS))
  parser.add_argument("--select", action="store_true", help="choose settings")
  args = parser.parse_args(arguments)
  if args.select:
    return select(args)
  cells = [] if args.report else itertools.product(
      args.sets, args.variants, args.seeds
  )
  chosen = best_of(tables.read(args.out / "settings.csv"))

  def train(name, variant, seed):
    setting = setting_of(chosen, variant)
    return run(name, variant, setting, seed, args, held_out=False)

  rows = grid.fill(
      args.out / "results.csv", KEYS, report.METRICS, cells, train
  )
  (args.out / "README.md").write_text(report.page(rows, chosen))
  report.picture(rows, args.out / "differences.png")


def select(args) -> None:
  """Tries the grid on training sentences of TREC that are held out."""
  path = args.out / "settings.csv"

  def train(variant, setting, seed):
    inherited = setting_of(best_of(tables.read(path)), variant)
    setting = inherited | json.loads(setting)
    return run("TREC, CNN", variant, setting, seed, args, held_out=True)

  for variant, settings in GRID.items():
    cells = itertools.product(
        (variant,), map(json.dumps, settings), SELECTION_SEEDS
    )
    grid.fill(path, TRIED, report.METRICS, cells, train)


def best_of(rows: Sequence[grid.Row]) -> dict[str, dict[str, Any]]:
  """Of each variant the setting with the best mean accuracy, then the first."""
  best, chosen = {}, {}
  for row in rows:
    same = [
        float(other["top1"]) for other in rows
        if all(other[key] == row[key] for key in ("variant", "setting"))
    ]
    if np.mean(same) > best.get(row["variant"], -1):
      best[row["variant"]] = np.mean(same)
      chosen[row["variant"]] = json.loads(row["setting"])
  return chosen


def setting_of(
    chosen: Mapping[str, Mapping[str, Any]], variant: str
) -> dict[str, Any]:
  """What was chosen of a variant, and of those it takes over from."""
  setting = {}
  for name in (*INHERITED.get(variant, ()), variant):
    setting |= chosen.get(name, {})
  return setting


def run(name, variant, setting, seed, args, *, held_out) -> dict[str, float]:
  """The metrics of one run, on test sentences or on those held out."""
  words, changes = SETS[name]
  dataset = words.partition(":")[0]
  return grid.train(
      words + VARIANTS[variant], {**changes, **setting}, seed,
      sources=few_of(dataset, args.data_dir, held_out), smoke=args.smoke,
  )


@functools.cache
def few_of(dataset: str, data_dir: str, held_out: bool):
  """`seed -> sources` with few training sentences."""
  data = recipes.load(f"{dataset}:text_cnn").data
  training = sources_lib.open_source(dataset, "train", data_dir, data)
  test = sources_lib.open_source(dataset, "test", data_dir, data)

  def sources(seed):
    order = np.random.default_rng((seed, 1)).permutation(training.size)
    others = order[ROWS : ROWS + HELD_OUT]
    return {
        "train": derived.subset(training, order[:ROWS]),
        "test": derived.subset(training, others) if held_out else test,
    }

  return sources


if __name__ == "__main__":
  main()

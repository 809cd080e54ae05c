"""What mixing does to robustness: attacks, corruptions, occlusion, calibration.

    python -m experiments.robustness
    python -m experiments.robustness --data cifar100 --data_dir DIR

Trains every mixer with CE and with DM(CE), with several seeds, and asks each run
the same probes as `dmjax probe`. `digits` are 8 px, ResNet-8; `cifar100` is its
first tenth at 16 px, ResNet-8, and `cifar100_whole` all of it with ResNet-18,
for a GPU. Writes `experiments/robustness/<data>.csv` and `<data>.md`; rows that
stand in the csv are not repeated.
"""

import argparse
from collections.abc import Sequence
import itertools
import pathlib
import tempfile
from typing import Any

import jax
import numpy as np
import tqdm

from dmjax import recipes
from dmjax.evaluate import probes
from dmjax.evaluate.probes import corruptions
from dmjax.train import loop
from dmjax.train import probing
from dmjax.train import run as run_lib
from experiments import grid
from experiments import tables

OUT = pathlib.Path(__file__).parent / "robustness"
MIXERS = {
    "none": "identity", "MixUp": "mixup", "CutMix": "cutmix",
    "PuzzleMix": "puzzlemix", "AutoMix": "automix",
}
LOSSES = ("CE", "DM(CE)")
_SMALL = {
    "model.name": "resnet8", "data.train": "train[:10%]", "data.image_size": 16,
    "data.crop_padding": 2, "total": "60 epochs", "evaluate.every": "30 epochs",
    "checkpoint.every": "30 epochs",
}
# Words of the recipes, and what is changed of them.
DATA = {
    "digits": ("digits:resnet8", {"evaluate.every": "30 epochs"}),
    "cifar100": ("cifar100:resnet18", _SMALL),
    "cifar100_whole": ("cifar100:resnet18", {"evaluate.every": "50 epochs"}),
}
PROBES = ("clean", "mixed", "fgsm", "pgd", "corruptions", "occlusion")
METRICS = (
    "clean", "ece", "mixed", "fgsm", "pgd", "corruptions", "occlusion",
)
RUN = ("mixer", "loss", "seed")
_HEAD = {
    "clean": "clean top-1", "ece": "ECE", "mixed": "mixed, one of two",
    "fgsm": "FGSM 8/255", "pgd": "PGD-10 8/255",
    "corruptions": "corruptions, mean", "occlusion": "occluded, mean",
}


def main(arguments: Sequence[str] | None = None) -> None:
  """Runs what is missing of the table and writes it."""
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument("--data", choices=DATA, default="digits")
  parser.add_argument("--data_dir", default="")
  parser.add_argument("--mixers", nargs="+", choices=MIXERS, default=[*MIXERS])
  parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
  parser.add_argument("--out", type=pathlib.Path, default=OUT)
  parser.add_argument("--limit", type=int, default=0,
                      help="of the test rows so many, the same for all runs")
  parser.add_argument("--smoke", action="store_true", help="four steps a run")
  parser.add_argument("--report", action="store_true", help="train nothing")
  args = parser.parse_args(arguments)
  args.out.mkdir(parents=True, exist_ok=True)
  path = args.out / f"{args.data}.csv"
  rows = tables.read(path)
  done = {tuple(str(row[key]) for key in RUN) for row in rows}
  cells = itertools.product(args.seeds, args.mixers, LOSSES)
  wanted = [] if args.report else [
      (mixer, loss, seed) for seed, mixer, loss in cells
      if not (mixer == "none" and loss != "CE")
      and (mixer, loss, str(seed)) not in done
  ]
  with tempfile.TemporaryDirectory() as runs:
    # Runs of one network share their probes, which compile for a minute.
    jax.config.update("jax_compilation_cache_dir", f"{runs}/compiled")
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    for mixer, loss, seed in tqdm.tqdm(wanted, unit="run"):
      found = measure(args, mixer, loss, seed, pathlib.Path(runs))
      rows.append(dict(zip(RUN, (mixer, loss, seed))) | found)
      tables.write(path, rows, RUN + METRICS)
      jax.clear_caches()  # A process may hold so many compiled functions alone.
  order = lambda row: (list(MIXERS).index(row["mixer"]), row["loss"])
  text = page(args.data, sorted(rows, key=order), args.limit)
  (args.out / f"{args.data}.md").write_text(text)


def measure(args, mixer, loss, seed, runs) -> dict[str, str]:
  """Trains a run and probes it."""
  workdir = runs / f"{mixer}_{loss}_{seed}"
  learned = mixer == "AutoMix" and loss != "CE"
  block = runs / f"{mixer}_CE_{seed}"
  if learned and not block.exists():
    measure(args, mixer, "CE", seed, runs)
  config = config_of(args, MIXERS[mixer], loss, seed, block if learned else None)
  loop.train(config, workdir)
  run = run_lib.assemble(config, workdir=workdir)
  state = run_lib.restore(run, workdir)
  options = probes.Options(eps=(8,))
  found = probing.probe(
      run, state, probing.check(PROBES, "image", options), options,
      limit=20 if args.smoke else args.limit,
  )
  return {name: f"{value:.5f}" for name, value in summary(found).items()}


def config_of(args, mixer, loss, seed, block):
  """The configuration; DM with AutoMix mixes by what a run has learned."""
  words, changes = DATA[args.data]
  named = ("mix_block" if block else mixer, *["dm"] * (loss != "CE"))
  config = recipes.load(",".join((words, *named)))
  config.update_from_flattened_dict(changes)
  config.seed, config.data.dir = seed, args.data_dir
  if block:
    config.mix.workdir = str(block)
  if args.smoke:
    config.total, config.schedule.warmup = "4 steps", "0 steps"
  return config


def summary(found: dict[str, probing.Found]) -> dict[str, float]:
  """A number or two of each probe."""
  clean = found["clean"].metrics[0]
  mean = lambda name, metric: float(
      np.mean([m[metric] for m in found[name].metrics])
  )
  error = corruptions.overall(
      found["corruptions"].cases, found["corruptions"].metrics
  )
  return {
      "clean": clean["top1"],
      "ece": clean["ece"],
      "mixed": mean("mixed", "mixed_top1"),
      "fgsm": found["fgsm"].metrics[-1]["top1"],
      "pgd": found["pgd"].metrics[-1]["top1"],
      "corruptions": 1 - error["mean_corruption_error"],
      "occlusion": mean("occlusion", "top1"),
  }


def page(data: str, rows: Sequence[dict[str, Any]], limit: int = 0) -> str:
  """The table, mean and deviation over seeds."""
  limited = f" --limit {limit}" if limit else ""
  of_some = f" On {limit:,} test rows, the same for all." if limit else ""
  seeds = sorted({int(row["seed"]) for row in rows})
  lines = []
  for mixer, loss in dict.fromkeys((row["mixer"], row["loss"]) for row in rows):
    of_row = [r for r in rows if (r["mixer"], r["loss"]) == (mixer, loss)]
    lines.append((mixer, loss, len(of_row), *(
        tables.mean_and_deviation([100 * float(r[m]) for r in of_row])
        for m in METRICS
    )))
  head = ("mixer", "loss", "seeds", *(_HEAD[metric] for metric in METRICS))
  return f"""# Robustness: {data}

    python -m experiments.robustness --data {data} --seeds {' '.join(map(str, seeds))}{limited}

Accuracy in percent (ECE: lower is better), mean ± standard deviation over seeds.
Mixed is the mean over mixers and lambda 0.1 to 0.9, corruptions over 15 and
five severities, occlusion over three orders and 10 % to 90 %, all as `dmjax
probe` has them. DM(CE) of AutoMix mixes by the Mix Block of the run above it.{of_some}

{tables.markdown(head, lines, names=2)}

Paired differences over seeds, in points (mean ± standard error):

{differences(rows)}
"""


def differences(rows: Sequence[dict[str, Any]]) -> str:
  """What mixing changes, and what DM(CE) does beside CE."""
  of = lambda mixer, loss, metric: grid.of(rows, metric, mixer=mixer, loss=loss)
  pairs = [
      (f"{mixer} less none", (mixer, "CE"), ("none", "CE"))
      for mixer in list(MIXERS)[1:]
  ] + [
      (f"{mixer}, DM(CE) less CE", (mixer, "DM(CE)"), (mixer, "CE"))
      for mixer in list(MIXERS)[1:]
  ]
  lines = [
      (name, *(
          grid.difference(of(*first, metric), of(*second, metric))
          for metric in METRICS
      ))
      for name, first, second in pairs
      if of(*first, "clean")
  ]
  head = ("", *(_HEAD[metric] for metric in METRICS))
  return tables.markdown(head, lines)


if __name__ == "__main__":
  main()

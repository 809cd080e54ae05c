"""CIFAR-100, ResNet-18: {none, MixUp, CutMix} x {CE, DM(CE)}, and AutoMix.

    python -m experiments.cifar100 --seeds 3 --data_dir ~/tensorflow_datasets
    python -m experiments.cifar100 --seeds 1 --mixers MixUp AutoMix

Trains the configurations of `configs/cifar100` in bfloat16 and writes
`experiments/cifar100/`: results.csv, a row per run, and README.md, mean and
spread beside the published numbers. A run in the csv is not repeated and one
that was stopped goes on, so the same command finishes a table. The number of a
run is the median of the test top-1 over its last ten epochs.

An image that is not mixed has one class and no decoupled term, so DM(CE) without
mixing is CE without mixing: that row stands once.
"""

import argparse
from collections.abc import Sequence
import importlib
import pathlib
import statistics
import time

import jax

from dmjax.train import loop
from dmjax.train import progress
from experiments import tables

OUT = pathlib.Path(__file__).parent / "cifar100"
CELLS = {
    ("none", "CE"): "resnet18_baseline",
    ("MixUp", "CE"): "resnet18_mixup",
    ("MixUp", "DM(CE)"): "resnet18_mixup_dm",
    ("CutMix", "CE"): "resnet18_cutmix",
    ("CutMix", "DM(CE)"): "resnet18_cutmix_dm",
    ("AutoMix", "CE"): "resnet18_automix",
}
# OpenMixup (arXiv 2209.04851), its CIFAR-100 table at 200 epochs.
PUBLISHED = {
    ("none", "CE"): 76.42, ("MixUp", "CE"): 78.52, ("CutMix", "CE"): 79.45,
    ("AutoMix", "CE"): 80.12,
}
MIXERS = sorted({mixer for mixer, _ in CELLS})
COLUMNS = ("mixer", "loss", "seed", "top1", "images_per_second", "seconds",
           "device")


def main(arguments: Sequence[str] | None = None) -> None:
  """Runs what is missing of the table and writes it."""
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument("--seeds", type=int, default=3)
  parser.add_argument("--mixers", nargs="+", default=MIXERS, choices=MIXERS)
  parser.add_argument("--data_dir", default="", help="where cifar100 lies")
  parser.add_argument("--runs", type=pathlib.Path, default="runs/cifar100",
                      help="where the runs are kept")
  parser.add_argument("--out", type=pathlib.Path, default=OUT)
  parser.add_argument("--smoke", action="store_true",
                      help="two steps a run, on noise")
  args = parser.parse_args(arguments)
  args.out.mkdir(parents=True, exist_ok=True)
  rows = tables.read(args.out / "results.csv")
  done = {(row["mixer"], row["loss"], int(row["seed"])) for row in rows}
  for seed in range(args.seeds):
    for mixer, loss in CELLS:
      if mixer in args.mixers and (mixer, loss, seed) not in done:
        rows.append(run(mixer, loss, seed, args))
        tables.write(args.out / "results.csv", rows, COLUMNS)
  (args.out / "README.md").write_text(report(rows))


def run(mixer: str, loss: str, seed: int, args) -> dict[str, str]:
  """Trains one cell with one seed; its row."""
  name = CELLS[mixer, loss]
  module = importlib.import_module(f"configs.cifar100.{name}")
  config = module.get_config("smoke" if args.smoke else "")
  config.seed, config.data.dir = seed, args.data_dir
  config.model.dtype = "bfloat16"
  workdir = args.runs / f"{name}_{seed}"
  start = time.perf_counter()
  result = loop.train(config, workdir)
  if not result.finished:
    raise SystemExit("stopped and saved; the same command goes on")
  device = jax.devices()[0].device_kind
  return {
      "mixer": mixer, "loss": loss, "seed": str(seed),
      "top1": f"{100 * progress.median_of_last(workdir):.4f}",
      "images_per_second": f"{result.images_per_second:.0f}",
      "seconds": f"{time.perf_counter() - start:.0f}",
      "device": f"{jax.device_count()} x {device}",
  }


def report(rows: list[dict[str, str]]) -> str:
  """The table in markdown: mean ± standard deviation over seeds."""
  lines = [
      "# CIFAR-100, ResNet-18, 200 epochs",
      "",
      "    python -m experiments.cifar100 --seeds 3",
      "",
      "Batch 100, bfloat16, the recipes of `configs/cifar100`. Top-1 in percent,"
      " median of the last ten epochs, mean ± standard deviation over seeds;"
      " published: OpenMixup (arXiv 2209.04851). DM(CE) without mixing is CE.",
      "",
      "| mixer | loss | seeds | top-1 | published | images/s | s per run | on |",
      "|---|---|---|---|---|---|---|---|",
  ]
  for cell in CELLS:
    found = [row for row in rows if (row["mixer"], row["loss"]) == cell]
    lines.append(f"| {' | '.join(_cells(cell, found))} |")
  return "\n".join(lines) + "\n"


def _cells(cell, found):
  published = PUBLISHED.get(cell)
  published = f"{published:.2f}" if published else "-"
  if not found:
    return [*cell, "0", "not run", published, "-", "-", "-"]
  top1, speed, seconds = (
      [float(row[key]) for row in found]
      for key in ("top1", "images_per_second", "seconds")
  )
  spread = statistics.stdev(top1) if len(top1) > 1 else 0.0
  return [
      *cell, str(len(found)), f"{statistics.mean(top1):.2f} ± {spread:.2f}",
      published, f"{statistics.median(speed):,.0f}",
      f"{statistics.median(seconds):,.0f}", found[0]["device"],
  ]


if __name__ == "__main__":
  main()

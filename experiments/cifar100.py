"""CIFAR-100, ResNet-18: {none, MixUp, CutMix} x {CE, DM(CE)}, and AutoMix.

    python -m experiments.cifar100 --seeds 3 --data_dir ~/tensorflow_datasets
    python -m experiments.cifar100 --recipes resnet18,mixup resnet18,automix

Trains recipes of CIFAR-100, these or others, in bfloat16 and writes
`experiments/cifar100/`: results.csv, a row per run, and README.md, mean and
spread beside the published numbers. A run in the csv is not repeated and one
that was stopped goes on, so the same command finishes a table. The number of a
run is measured by the rule of the published one.

An image that is not mixed has one class and no decoupled term, so DM(CE)
without mixing is CE without mixing: that row stands once.
"""

import argparse
from collections.abc import Sequence
import itertools
import pathlib
import statistics
import time

import jax

from dmjax import recipes
from dmjax.train import loop
from dmjax.train import progress
from experiments import tables

OUT = pathlib.Path(__file__).parent / "cifar100"
RECIPES = (
    "resnet18", "resnet18,mixup", "resnet18,mixup,dm", "resnet18,cutmix",
    "resnet18,cutmix,dm", "resnet18,automix",
)
COLUMNS = ("recipe", "seed", "top1", "images_per_second", "seconds", "device")


def main(arguments: Sequence[str] | None = None) -> None:
  """Runs what is missing of the table and writes it."""
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument("--seeds", type=int, default=3)
  parser.add_argument("--recipes", nargs="+", default=RECIPES)
  parser.add_argument("--data_dir", default="", help="where cifar100 lies")
  parser.add_argument("--runs", type=pathlib.Path, default="runs/cifar100",
                      help="where the runs are kept")
  parser.add_argument("--out", type=pathlib.Path, default=OUT)
  parser.add_argument("--smoke", action="store_true",
                      help="two steps a run, on noise")
  args = parser.parse_args(arguments)
  for recipe in args.recipes:  # A misspelt one is known before the first run.
    recipes.load(f"cifar100:{recipe}")
  args.out.mkdir(parents=True, exist_ok=True)
  rows = tables.read(args.out / "results.csv")
  done = {(row["recipe"], int(row["seed"])) for row in rows}
  for seed, recipe in itertools.product(range(args.seeds), args.recipes):
    if (recipe, seed) not in done:
      rows.append(run(recipe, seed, args))
      tables.write(args.out / "results.csv", rows, COLUMNS)
  (args.out / "README.md").write_text(report(rows))


def run(recipe: str, seed: int, args: argparse.Namespace) -> dict[str, str]:
  """Trains one recipe with one seed; its row."""
  config = recipes.load(f"cifar100:{recipe}" + ",smoke" * args.smoke)
  config.seed, config.data.dir = seed, args.data_dir
  config.model.dtype = "bfloat16"
  workdir = args.runs / f"{recipe.replace(',', '_')}_{seed}"
  start = time.perf_counter()
  result = loop.train(config, workdir)
  if not result.finished:
    raise SystemExit("stopped and saved; the same command goes on")
  _, rule, last = recipes.published(config)
  return {
      "recipe": recipe, "seed": str(seed),
      "top1": f"{100 * progress.by_rule(workdir, rule, last):.4f}",
      "images_per_second": f"{result.images_per_second:.0f}",
      "seconds": f"{time.perf_counter() - start:.0f}",
      "device": f"{jax.device_count()} x {jax.devices()[0].device_kind}",
  }


def report(rows: list[dict[str, str]]) -> str:
  """The page: mean ± standard deviation over seeds."""
  head = ("recipe", "seeds", "top-1", "published", "measured by", "images/s",
          "s per run", "on")
  wanted = dict.fromkeys([*RECIPES, *(row["recipe"] for row in rows)])
  lines = [
      _line(recipe, [row for row in rows if row["recipe"] == recipe])
      for recipe in wanted
  ]
  return f"""# CIFAR-100

    python -m experiments.cifar100 --seeds 3

The recipes of `dmjax recipes cifar100` in bfloat16. Top-1 in percent, mean ±
standard deviation over seeds; published: OpenMixup (arXiv 2209.04851). DM(CE)
without mixing is CE.

{tables.markdown(head, lines)}
"""


def _line(recipe, found):
  number, rule, last = recipes.published(recipes.load(f"cifar100:{recipe}"))
  published = f"{number:.2f}" if number else "-"
  published = published, recipes.rule_in_words(rule, last)
  if not found:
    return [recipe, 0, "not run", *published, "-", "-", "-"]
  top1, speed, seconds = (
      [float(row[key]) for row in found]
      for key in ("top1", "images_per_second", "seconds")
  )
  return [
      recipe, len(found), tables.mean_and_deviation(top1), *published,
      f"{statistics.median(speed):,.0f}",
      f"{statistics.median(seconds):,.0f}", found[0]["device"],
  ]


if __name__ == "__main__":
  main()

"""CIFAR-100, ResNet-18: {none, MixUp, CutMix} x {CE, DM(CE)}, and AutoMix.

    python -m experiments.cifar100 --seeds 3 --data_dir ~/tensorflow_datasets
    python -m experiments.cifar100 --recipes resnet18,mixup resnet18,automix
    python -m experiments.cifar100 --out experiments/semi_cifar100 --seeds 1 \
        --recipes fixmatch,400 fixmatch,400,mixup fixmatch,400,mixup,dm \
        --config.model.name=wide_resnet28_2 --config.total='32768 steps'

Trains recipes of CIFAR-100, these or others, in bfloat16 and writes
`experiments/cifar100/`: results.csv, a row per run, and README.md, mean and
spread beside the published numbers. A run in the csv is not repeated and one
that was stopped goes on, so the same command finishes a table. The number of a
run is measured by the rule of the published one; of a recipe that was changed
on the command line no number is published.

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

from dmjax import overrides
from dmjax import recipes
from dmjax.train import loop
from dmjax.train import progress
from experiments import tables

OUT = pathlib.Path(__file__).parent / "cifar100"
RECIPES = (
    "resnet18", "resnet18,mixup", "resnet18,mixup,dm", "resnet18,cutmix",
    "resnet18,cutmix,dm", "resnet18,automix",
)
COLUMNS = (
    "recipe", "seed", "top1", "images_per_second", "ms_a_step", "seconds",
    "device",
)


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
  args, changes = parser.parse_known_args(arguments)
  for recipe in args.recipes:  # A misspelt one is known before the first run.
    overrides.apply(recipes.load(f"cifar100:{recipe}"), changes)
  args.out.mkdir(parents=True, exist_ok=True)
  rows = tables.read(args.out / "results.csv")
  done = {(row["recipe"], int(row["seed"])) for row in rows}
  for seed, recipe in itertools.product(range(args.seeds), args.recipes):
    if (recipe, seed) not in done:
      rows.append(run(recipe, seed, args, changes))
      tables.write(args.out / "results.csv", rows, COLUMNS)
  page = report(rows, args.recipes, changes)
  (args.out / "README.md").write_text(page)


def run(
    recipe: str, seed: int, args: argparse.Namespace, changes: Sequence[str]
) -> dict[str, str]:
  """Trains one recipe with one seed; its row."""
  config = recipes.load(f"cifar100:{recipe}" + ",smoke" * args.smoke)
  config, _ = overrides.apply(config, changes)
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
      "images_per_second": f"{result.examples_per_second:.0f}",
      "ms_a_step": f"{1e3 * config.batch_size / result.examples_per_second:.1f}",
      "seconds": f"{time.perf_counter() - start:.0f}",
      "device": f"{jax.device_count()} x {jax.devices()[0].device_kind}",
  }


def report(
    rows: list[dict[str, str]], wanted: Sequence[str] = RECIPES,
    changes: Sequence[str] = (),
) -> str:
  """The page: mean ± standard deviation over seeds."""
  head = ("recipe", "seeds", "top-1", "published", "measured by", "images/s",
          "ms a step", "s per run", "on")
  wanted = dict.fromkeys([*wanted, *(row["recipe"] for row in rows)])
  lines = [
      _line(recipe, [row for row in rows if row["recipe"] == recipe], changes)
      for recipe in wanted
  ]
  changed = f" with {' '.join(changes)}" if changes else ""
  return f"""# CIFAR-100

    python -m experiments.cifar100 --seeds 3

The recipes of `dmjax recipes cifar100` in bfloat16{changed}. Top-1 in percent,
mean ± standard deviation over seeds; published as `dmjax recipes` says. DM(CE)
without mixing is CE. Images are labelled ones. A FixMatch step of 64 labelled
and 448 unlabelled CIFAR-10 images, WRN-28-2, is published from 21 ms (PyTorch,
A100, mixed precision) to 720 ms.

{tables.markdown(head, lines)}
"""


def _line(recipe, found, changes):
  number, rule, last = recipes.published(recipes.load(f"cifar100:{recipe}"))
  number = None if changes else number
  published = f"{number:.2f}" if number else "-"
  published = published, recipes.rule_in_words(rule, last)
  if not found:
    return [recipe, 0, "not run", *published, "-", "-", "-", "-"]
  top1, speed, step, seconds = (
      [float(row[key]) for row in found]
      for key in ("top1", "images_per_second", "ms_a_step", "seconds")
  )
  return [
      recipe, len(found), tables.mean_and_deviation(top1), *published,
      f"{statistics.median(speed):,.0f}", f"{statistics.median(step):.1f}",
      f"{statistics.median(seconds):,.0f}", found[0]["device"],
  ]


if __name__ == "__main__":
  main()

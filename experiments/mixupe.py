"""MixupE and DM on tables, sound, a graph and digits: does either help, where?

    python -m experiments.mixupe --data_dir ~/tensorflow_datasets --select
    python -m experiments.mixupe --data_dir ~/tensorflow_datasets

The first command chooses alpha and both etas for every set, on rows that are
held out of its training rows, and writes `experiments/mixupe/settings.csv`; the
second trains what is missing of `results.csv`, and draws README.md and
forest.png. A seed draws the parameters, the batches, and which rows are trained
on and which labels are wrong where there are few or some; they are the same for
all methods. Sets that are not prepared are left out, and named.
"""

import argparse
from collections.abc import Sequence
import functools
import itertools
import json
import pathlib
from typing import Any

import jax
import numpy as np
import tqdm

from dmjax import parallel
from dmjax import recipes
from dmjax.data import pipelines
from dmjax.train import evaluation
from dmjax.train import loop
from dmjax.train import run as run_lib
from dmjax.train import streams
from experiments import mixupe_report as report
from experiments import mixupe_sets as sets
from experiments import tables

OUT = pathlib.Path(__file__).parent / "mixupe"
RUN = ("set", "variant", "seed")
COLUMNS = RUN + ("setting",) + report.METRICS
TRIED = ("set", "variant", "setting", "seed") + report.METRICS

# Words behind those of the set's recipe, which hold its mixer.
VARIANTS = {
    "ERM": "", "mixup": "{mixer}", "MixupE": "{mixer},mixupe",
    "MixupE, derivation": "{mixer},mixupe", "DM": "{mixer},dm",
    "MixupE, DM": "{mixer},mixupe,dm",
}
# What is tried of each on validation rows, given what was chosen before it.
GRID = {
    "mixup": [{"mix.alpha": value} for value in (0.2, 1.0)],
    "MixupE": [{"method.eta": value} for value in (0.01, 0.1, 1.0)],
    "MixupE, derivation": [
        {"method.eta": value} for value in (0.01, 0.1, 1.0)
    ],
    "DM": [{"loss.eta": value} for value in (0.1, 0.5)],
}
# Whose choices each takes over.
INHERITED = {
    "ERM": (), "mixup": (), "MixupE": ("mixup",), "DM": ("mixup",),
    "MixupE, derivation": ("mixup",), "MixupE, DM": ("mixup", "MixupE", "DM"),
}
SELECTION_SEEDS = (100, 101, 102)


def main(arguments: Sequence[str] | None = None) -> None:
  """Chooses settings, or runs what is missing of the table and writes it."""
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument("--data_dir", default="")
  parser.add_argument("--sets", nargs="+", default=list(sets.SETS))
  parser.add_argument("--variants", nargs="+", default=list(VARIANTS))
  parser.add_argument("--seeds", type=int, nargs="+", help="all by default")
  parser.add_argument("--out", type=pathlib.Path, default=OUT)
  parser.add_argument("--select", action="store_true", help="choose settings")
  parser.add_argument("--smoke", action="store_true", help="two epochs a run")
  parser.add_argument("--report", action="store_true", help="train nothing")
  args = parser.parse_args(arguments)
  args.out.mkdir(parents=True, exist_ok=True)
  args.sets = [name for name in args.sets if args.report or _there(name, args)]
  if args.select:
    return select(args)
  rows = measure(args)
  order = lambda row: (list(sets.SETS).index(row["set"]),
                       list(VARIANTS).index(row["variant"]))
  rows.sort(key=order)
  (args.out / "README.md").write_text(report.page(rows, settings_of(args.out)))
  report.forest(rows, args.out / "forest.png")


def _there(name, args):
  try:
    _sources(name, 0, args.data_dir, False)
  except ValueError as error:
    print(f"{name}: left out, {error}")
    return False
  return True


def measure(args) -> list[dict[str, Any]]:
  """The rows of the csv, with those that were missing."""
  path = args.out / "results.csv"
  rows, chosen = tables.read(path), settings_of(args.out)
  done = {tuple(str(row[key]) for key in RUN) for row in rows}
  # All seeds of a variant in turn: its step is compiled once.
  wanted = [] if args.report else [
      (name, variant, seed)
      for name, variant in itertools.product(args.sets, args.variants)
      for seed in args.seeds or range(sets.SETS[name].seeds)
      if (name, variant, str(seed)) not in done
  ]
  for name, variant, seed in tqdm.tqdm(wanted, unit="run"):
    setting = setting_of(chosen, name, variant)
    found = train(name, variant, setting, seed, args, held_out=False)
    rows.append({
        "set": name, "variant": variant, "seed": seed,
        "setting": json.dumps(setting), **found,
    })
    tables.write(path, rows, COLUMNS)
  return rows


def select(args) -> None:
  """Tries the grid on validation rows, and writes what came out."""
  path = args.out / "settings.csv"
  rows = tables.read(path)
  own = [name for name in args.sets if not sets.SETS[name].settings]
  cells = list(itertools.product(own, GRID))
  for name, variant in tqdm.tqdm(cells, unit="choice"):
    for change in GRID[variant]:
      chosen = best_of(rows)
      setting = setting_of(chosen, name, variant, change)
      key = (name, variant, json.dumps(setting))
      if any((r["set"], r["variant"], r["setting"]) == key for r in rows):
        continue
      for seed in SELECTION_SEEDS:
        found = train(name, variant, setting, seed, args, held_out=True)
        rows.append(dict(zip(TRIED, (*key, seed))) | found)
      tables.write(path, rows, TRIED)


def settings_of(folder: pathlib.Path) -> dict[tuple[str, str], dict[str, Any]]:
  """What was chosen, by set and variant."""
  return best_of(tables.read(folder / "settings.csv"))


def best_of(rows) -> dict[tuple[str, str], dict[str, Any]]:
  """The setting with the best mean accuracy; of equal ones the lower NLL."""
  found = {}
  for row in rows:
    key = row["set"], row["variant"]
    of_setting = found.setdefault(key, {}).setdefault(row["setting"], [])
    of_setting.append((-float(row["top1"]), float(row["nll"])))
  return {
      key: json.loads(min(tried, key=lambda s: tuple(np.mean(tried[s], axis=0))))
      for key, tried in found.items()
  }


def setting_of(chosen, name, variant, change=None) -> dict[str, Any]:
  """What a variant takes over, and what was chosen for it or is tried."""
  setting, name = {}, sets.SETS[name].settings or name
  for other in INHERITED[variant]:
    setting |= chosen.get((name, other), {})
  return setting | (chosen.get((name, variant), {}) if change is None else change)


def train(name, variant, setting, seed, args, held_out) -> dict[str, str]:
  """One run: its accuracy, NLL and calibration, of test or validation rows."""
  # One program for all seeds, but where a seed has test rows of its own.
  first = seed if sets.SETS[name].speakers else 0
  run, step, evaluate = compile_variant(
      name, variant, json.dumps(setting), first, args.data_dir, held_out,
      args.smoke,
  )
  source = _sources(name, seed, args.data_dir, held_out)["train"]
  data = pipelines.open_pipeline(run.config.data, source, "train")
  stream = data.batches(run.config.batch_size, seed)
  state = parallel.replicate(loop.first_state(run, seed))
  per_call = run.config.steps_per_call
  updates = loop.updates(
      step, state, data, stream, seed=seed, per_call=per_call
  )
  for state, _ in itertools.islice(updates, run.times.total // per_call):
    pass
  metrics = evaluate(state)
  return {key: f"{metrics[key]:.5f}" for key in report.METRICS}


@functools.lru_cache(maxsize=1)
def compile_variant(
    name, variant, setting, seed, data_dir, held_out, smoke
):
  """Run, step and evaluation, for all seeds that have the same test rows."""
  jax.clear_caches()  # A process may hold so many compiled functions alone.
  config = config_of(name, variant, json.loads(setting), smoke)
  config.data.dir = data_dir
  run = run_lib.assemble(config, **_sources(name, seed, data_dir, held_out))
  step = loop.compile_step(run, config.steps_per_call)
  return run, step, evaluation.make_evaluator(run)


def config_of(name: str, variant: str, setting: dict[str, Any], smoke: bool):
  """The configuration of a cell of the table."""
  chosen = sets.SETS[name]
  words = VARIANTS[variant].format(mixer=chosen.mixer)
  config = recipes.load(",".join(filter(None, (chosen.words, words))))
  flat = dict(chosen.changes) | {"evaluate.mix": {"name": "identity"}}
  if variant == "MixupE, derivation":
    flat |= {"method.variant": "absolute", "method.stage": chosen.stage}
  for key, value in (flat | setting).items():
    section, _, option = key.rpartition(".")
    with config.unlocked():
      (config[section] if section else config)[option] = value
  steps = 2 * config.steps_per_call if smoke else chosen.steps
  config.total = f"{steps} steps"
  return config


def _sources(name, seed, data_dir, held_out):
  """Training and test rows of a seed; of `held_out`, validation for test."""
  chosen = sets.SETS[name]
  changes = dict(chosen.changes) | chosen.changes_of(seed)
  if held_out and chosen.validation:
    changes["data.test"] = chosen.validation
  opened = _opened(chosen.words, json.dumps(changes), data_dir)
  held_out = held_out and not chosen.validation
  return sets.rows_of_seed(chosen, opened, seed, held_out)


@functools.lru_cache(maxsize=2)
def _opened(words, changes, data_dir):
  config = recipes.load(words)
  for key, value in json.loads(changes).items():
    if key in ("data.train", "data.test"):
      config.data[key.removeprefix("data.")] = value
  config.data.dir = data_dir
  return streams.open_sources(config, {})[0]


if __name__ == "__main__":
  main()

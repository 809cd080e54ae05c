"""A table of runs: cells of configurations and seeds, trained one by one.

    rows = grid.fill(path, ("variant", "seed"), METRICS, cells, train)

goes through the cells that the csv lacks and writes it after each, so that a
stopped table goes on where it was. `grid.train` is one run of a recipe with some
changes; its step is compiled once for all seeds, so seeds come last in the cells.
"""

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
import contextlib
import functools
import itertools
import json
import pathlib
import tempfile
from typing import Any

import jax
import ml_collections
import numpy as np
import tqdm

from dmjax import parallel
from dmjax import recipes
from dmjax.data import base
from dmjax.data import pipelines
from dmjax.train import evaluation
from dmjax.train import loop
from dmjax.train import run as run_lib
from experiments import tables

Row = dict[str, Any]
_CACHE = (
    "jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs",
)
_SMOKE = {
    "total": "4 steps", "schedule.warmup": "0 steps", "steps_per_call": 1,
}


def arguments(
    doc: str, out: pathlib.Path, variants: Iterable[str], seeds: int = 5
) -> argparse.ArgumentParser:
  """The arguments that every table has."""
  parser = argparse.ArgumentParser(
      description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument("--data_dir", default="")
  parser.add_argument("--variants", nargs="+", default=list(variants))
  parser.add_argument("--seeds", type=int, nargs="+", default=list(range(seeds)))
  parser.add_argument("--out", type=pathlib.Path, default=out)
  parser.add_argument("--smoke", action="store_true", help="four steps a run")
  parser.add_argument("--report", action="store_true", help="train nothing")
  return parser


def fill(
    path: pathlib.Path,
    keys: Sequence[str],
    metrics: Sequence[str],
    cells: Iterable[Sequence[Any]],
    train: Callable[..., Mapping[str, float]],
) -> list[Row]:
  """The rows of a csv, after those it lacks are trained.

  Args:
    path: The csv; its folder is made.
    keys: Names of what a cell is, such as `variant` and `seed`.
    metrics: Names of what is measured of it.
    cells: Values of `keys`; none to train nothing.
    train: `(*cell) -> metrics`, numbers, of which those named are kept.

  Returns:
    All rows, as strings.
  """
  path.parent.mkdir(parents=True, exist_ok=True)
  rows = tables.read(path)
  done = {tuple(row[key] for key in keys) for row in rows}
  wanted = [cell for cell in cells if tuple(map(str, cell)) not in done]
  for cell in tqdm.tqdm(wanted, unit="run"):
    found = train(*cell)
    row = {key: str(value) for key, value in zip(keys, cell)}
    rows.append(row | {name: f"{found[name]:.5f}" for name in metrics})
    tables.write(path, rows, (*keys, *metrics))
  return rows


@contextlib.contextmanager
def shared_programs():
  """Inside, what is compiled once is compiled for all cells alike.

  Programs compile for longer than small networks train, and `train` forgets those
  of the cells before.
  """
  folder, seconds = _CACHE
  before = {name: getattr(jax.config, name) for name in _CACHE}
  with tempfile.TemporaryDirectory() as compiled_here:
    jax.config.update(folder, compiled_here)
    jax.config.update(seconds, 0)
    try:
      yield
    finally:
      for name, value in before.items():
        jax.config.update(name, value)


def train(
    words: str,
    changes: Mapping[str, Any],
    seed: int,
    *,
    sources: Callable[[int], Mapping[str, base.Source]] | None = None,
    smoke: bool = False,
) -> dict[str, float]:
  """One run: its metrics after the last step.

  Args:
    words: The recipe, `digits:resnet8,mixup`.
    changes: Of its configuration, `{"loss.eta": 0.5}`; JSON-able.
    seed: Of parameters, batches, and whatever `sources` draws.
    sources: `seed -> {"train": source, ...}` instead of the recipe's, such as
      few of its rows; all seeds share the test rows of the first.
    smoke: Whether four steps are enough.

  Returns:
    The metrics.
  """
  _, evaluate, state = trained(
      words, changes, seed, sources=sources, smoke=smoke
  )
  return evaluate(state)


def trained(words, changes, seed, *, sources=None, smoke=False):
  """The run, its evaluation and its state after the last step, as `train`."""
  changes = dict(changes) | (_SMOKE if smoke else {})
  run, step, evaluate = compiled(words, json.dumps(changes), sources)
  data = _data(run, sources, seed)
  stream = data.batches(run.config.batch_size, seed)
  state = parallel.replicate(loop.first_state(run, seed))
  per_call = run.config.steps_per_call
  updates = loop.updates(
      step, state, data, stream, seed=seed, per_call=per_call
  )
  for state, _ in itertools.islice(updates, run.times.total // per_call):
    pass
  return run, evaluate, state


@functools.lru_cache(maxsize=1)
def compiled(words: str, changes: str, sources=None):
  """Run, step and evaluation of a configuration, for all seeds."""
  jax.clear_caches()  # A process may hold so many compiled functions alone.
  config = config_of(words, json.loads(changes))
  run = run_lib.assemble(config, **(sources(0) if sources else {}))
  step = loop.compile_step(run, config.steps_per_call)
  return run, step, evaluation.make_evaluator(run)


def config_of(
    words: str, changes: Mapping[str, Any]
) -> ml_collections.ConfigDict:
  """A recipe with changes, `{"section.key": value}`."""
  config = recipes.load(words)
  for key, value in changes.items():
    section, _, option = key.rpartition(".")
    with config.unlocked():
      (config[section] if section else config)[option] = value
  return config


def _data(run, sources, seed):
  if sources is None:
    return run.training()
  source = sources(seed)["train"]
  return pipelines.open_pipeline(run.config.data, source, "train")


def of(rows: Iterable[Row], metric: str, **names: Any) -> dict[str, float]:
  """Values of a metric by seed, of the rows that have these names."""
  names = {key: str(value) for key, value in names.items()}
  return {
      row["seed"]: float(row[metric])
      for row in rows
      if all(row[key] == value for key, value in names.items())
  }


def mean(rows: Iterable[Row], metric: str, scale: float = 100, **names: Any) -> str:
  """`79.00 ± 1.00`, mean and standard deviation over seeds."""
  values = of(rows, metric, **names).values()
  return tables.mean_and_deviation([scale * value for value in values])


def difference(
    first: Mapping[str, float], second: Mapping[str, float], scale: float = 100
) -> str:
  """`+1.00 ± 0.50`, mean of `first - second` over the seeds of both.

  Args:
    first: Values by seed.
    second: Likewise.
    scale: What they are multiplied by.

  Returns:
    Mean and standard error; `-` where no seed is in both.
  """
  shared = sorted(set(first) & set(second))
  gaps = scale * np.array([first[seed] - second[seed] for seed in shared])
  if not shared:
    return "-"
  error = gaps.std(ddof=1) / len(gaps) ** 0.5 if len(gaps) > 1 else 0.0
  return f"{gaps.mean():+.2f} ± {error:.2f}"

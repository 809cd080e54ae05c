"""Each domain left out in turn: does FIXED help where nothing was trained on?

    python -m experiments.domains --data_dir ~/tensorflow_datasets --select
    python -m experiments.domains --data_dir ~/tensorflow_datasets

Digits in five guises, and spoken digits by speaker. The first command chooses
settings by accuracy on a fifth of the training rows, of the domains that are
trained on, as the paper does; the second trains what is missing of
`results.csv`, and draws README.md and left_out.png. A set that is not prepared
is left out, and named.
"""

from collections.abc import Mapping, Sequence
import functools
import itertools
import json
import pathlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import tqdm

from dmjax import parallel
from dmjax.data import base
from dmjax.data import derived
from dmjax.data import pipelines
from dmjax.train import loop
from dmjax.train import run as run_lib
from dmjax.train import streams
from experiments import domains_report as report
from experiments import grid
from experiments import tables

OUT = pathlib.Path(__file__).parent / "domains"
KEYS = ("set", "variant", "domain", "seed")
TRIED = ("set", "variant", "setting", "domain")
SELECTION_SEED = 100


class Set(NamedTuple):
  """A set, and how a network is trained on all its domains but one.

  Attributes:
    words: Of the recipe, without a mixer.
    domains: All of them.
    rows: Of the training rows, as many whatever is left out.
    changes: To the configuration.
    seeds: How many.
    tried: Variants whose settings are chosen on its own rows.
    settings: The set that the settings of others are taken from.
  """

  words: str
  domains: tuple[str, ...]
  rows: int
  changes: Mapping[str, Any]
  seeds: int
  tried: tuple[str, ...]
  settings: str = ""


SETS = {
    "digits": Set(
        "digits_domains:mlp",
        ("original", "rotated", "blurred", "inverted", "noisy"), 1145,
        {"steps_per_call": 20, "total": "600 steps"}, 10,
        ("mixup", "DANN", "feature mixup", "FIXED"),
    ),
    "spoken digits": Set(
        "spoken_digit:temporal_cnn",
        ("george", "jackson", "nicolas", "theo", "yweweler"), 2000,
        {
            "data.train": "all", "data.test": "all", "steps_per_call": 1,
            "total": "200 steps",
        }, 3, ("DANN",), settings="digits",
    ),
}

_UNMIXED, _ALONE = {"mix": {"name": "identity"}}, {"method.reversal": 0.0}
# Words behind those of the set, and what they leave out of FIX.
VARIANTS = {
    "ERM": ("", {}),
    "mixup": (",mixup", {}),
    "ERM, bottleneck": (",fix", _UNMIXED | _ALONE),
    "DANN": (",fix", _UNMIXED),
    "feature mixup": (",fix", _ALONE),
    "FIX": (",fix", {}),
    "FIX, DM": (",fix,dm", {}),
    "FIXED": (",fixed", {}),
}
# What is tried of each, and whose choices it takes over.
GRID = {
    "mixup": [{"mix.alpha": value} for value in (0.2, 1.0)],
    "DANN": [{"method.reversal": value} for value in (0.1, 1.0)],
    "feature mixup": [{"mix.alpha": value} for value in (0.2, 1.0)],
    "FIXED": [{"method.margin": value} for value in (1.0, 10.0, 1e4)],
}
INHERITED = dict.fromkeys(
    ("FIX", "FIX, DM", "FIXED"), ("DANN", "feature mixup")
)


def main(arguments: Sequence[str] | None = None) -> None:
  """Chooses settings, or runs what is missing of the table and writes it."""
  parser = grid.arguments(__doc__, OUT, VARIANTS, seeds=10)
  parser.add_argument("--sets", nargs="+", default=list(SETS))
  parser.add_argument("--select", action="store_true", help="choose settings")
  args = parser.parse_args(arguments)
  args.sets = [name for name in args.sets if args.report or _there(name, args)]
  if args.select:
    return select(args)
  cells = [] if args.report else [
      (name, variant, domain, seed)
      for name, variant in itertools.product(args.sets, args.variants)
      for domain, seed in itertools.product(
          SETS[name].domains, args.seeds[: SETS[name].seeds]
      )
  ]
  chosen = best_of(tables.read(args.out / "settings.csv"))

  def train(name, variant, domain, seed):
    setting = setting_of(chosen, name, variant)
    return {"top1": accuracy(name, variant, setting, domain, seed, args)}

  path = args.out / "results.csv"
  rows = grid.fill(path, KEYS, ("top1",), cells, train)
  (args.out / "README.md").write_text(report.page(rows, chosen, VARIANTS))
  report.picture(rows, args.out / "left_out.png", VARIANTS)


def _there(name, args):
  try:
    sources_of(name, SETS[name].domains[0], args.data_dir)
  except ValueError as error:
    print(f"{name}: left out, {error}")
    return False
  return True


def select(args) -> None:
  """Tries the grid on rows of the domains that are trained on."""
  path = args.out / "settings.csv"
  args.out.mkdir(parents=True, exist_ok=True)
  rows = tables.read(path)
  cells = [(name, v) for name in args.sets for v in SETS[name].tried]
  for name, variant in tqdm.tqdm(cells):
    for change in GRID[variant]:
      setting = setting_of(best_of(rows), name, variant, change)
      key = (name, variant, json.dumps(setting))
      if any(tuple(row[k] for k in TRIED[:3]) == key for row in rows):
        continue
      for domain in SETS[name].domains:
        top1 = accuracy(
            name, variant, setting, domain, SELECTION_SEED, args, held_out=True
        )
        rows.append(dict(zip(TRIED, (*key, domain))) | {"top1": f"{top1:.5f}"})
      tables.write(path, rows, (*TRIED, "top1"))


def best_of(rows) -> dict[tuple[str, str], dict[str, Any]]:
  """The setting with the best mean accuracy, the first tried of equal ones."""
  found = {}
  for row in rows:
    of_variant = found.setdefault((row["set"], row["variant"]), {})
    of_variant.setdefault(row["setting"], []).append(float(row["top1"]))
  return {
      key: json.loads(max(tried, key=lambda setting: np.mean(tried[setting])))
      for key, tried in found.items()
  }


def setting_of(chosen, name, variant, change=None) -> dict[str, Any]:
  """What a variant takes over, and what was chosen for it or is tried."""
  setting = {}
  own = (variant,) if change is None else ()
  others = (*INHERITED.get(variant, ()), *own)
  for place, other in itertools.product((SETS[name].settings, name), others):
    setting |= chosen.get((place, other), {})
  return setting | (change or {})


def accuracy(
    name, variant, setting, domain, seed, args, held_out=False
) -> float:
  """Of one run, on the domain left out; or on rows held out of the others."""
  run, first, step, hits = compiled(
      name, variant, json.dumps(setting), args.data_dir, args.smoke
  )
  data, test = pipelines_of(name, domain, args.data_dir, held_out)
  stream = data.batches(run.config.batch_size, seed)
  state = parallel.replicate(first(seed))
  per_call = run.config.steps_per_call
  updates = loop.updates(
      step, state, data, stream, seed=seed, per_call=per_call
  )
  for state, _ in itertools.islice(updates, run.times.total // per_call):
    pass
  batch = test.rows(np.arange(test.size))
  return float(np.mean(hits(state, batch, test.shared)))


@functools.lru_cache(maxsize=1)
def compiled(name, variant, setting, data_dir, smoke):
  """Run, first state, step and hits, for whatever domain is left out."""
  jax.clear_caches()  # A process may hold so many compiled functions alone.
  source, test = rows_of(name, SETS[name].domains[0], data_dir, False)
  config = config_of(name, variant, json.loads(setting), smoke)
  run = run_lib.assemble(config, train=source, test=test)
  select = run.training().select

  def hits(state, batch, shared):
    batch = select(batch, shared)
    return jnp.argmax(run.method.predict(state, batch), 1) == batch["label"]

  first = functools.partial(loop.first_state, run)
  step = loop.compile_step(run, config.steps_per_call)
  return run, jax.jit(first), step, jax.jit(hits)


@functools.lru_cache(maxsize=10)
def pipelines_of(name, domain, data_dir, held_out):
  """Training and test rows, decoded."""
  data = grid.config_of(SETS[name].words, SETS[name].changes).data
  train, test = rows_of(name, domain, data_dir, held_out)
  return (
      pipelines.open_pipeline(data, train, "train"),
      pipelines.open_pipeline(data, test, "test"),
  )


def config_of(name: str, variant: str, setting: Mapping[str, Any], smoke: bool):
  """The configuration of a row of the table."""
  words, changes = VARIANTS[variant]
  mixes = words and "mix" not in changes
  mixing = {"mix.per_batch": False} if mixes else {}
  changes = {**SETS[name].changes, **mixing, **changes, **setting}
  changes |= {"total": "4 steps", "steps_per_call": 2} if smoke else {}
  return grid.config_of(SETS[name].words + words, changes)


def rows_of(
    name, domain, data_dir, held_out
) -> tuple[base.Source, base.Source]:
  """Training and test rows; those held out are the same for all settings."""
  found = sources_of(name, domain, data_dir)
  train, test = found["train"], found["test"]
  order = np.random.default_rng(0).permutation(train.size)[: SETS[name].rows]
  if held_out:
    order, validation = np.split(order, [4 * order.size // 5])
    test = derived.subset(train, validation)
  return derived.subset(train, order), test


@functools.lru_cache(maxsize=10)
def sources_of(name, domain, data_dir) -> dict[str, base.Source]:
  """All of both splits, without what is left out of either."""
  where = {"data.leave_out": domain, "data.dir": data_dir}
  changes = {**SETS[name].changes, **where}
  return streams.open_sources(grid.config_of(SETS[name].words, changes), {})[0]


if __name__ == "__main__":
  main()

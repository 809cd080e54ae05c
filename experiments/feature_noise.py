"""Does mixup learn the rare features (arXiv 2303.08433)? A curve for each seed.

    python -m experiments.feature_noise

Trains networks of patch filters on feature-noise data, with and without mixup,
with labels of other shares than the inputs, and with mixup that stops early.
Writes `experiments/feature_noise/`: results.csv (a row for every variant, seed
and hundred steps), README.md and plot.png. A seed draws the training rows, the
parameters and the pairs, for all variants alike. Test rows are shared.
"""

import functools
import itertools
import json
import pathlib

import jax
from matplotlib import pyplot as plt
import numpy as np
import tqdm

from dmjax import parallel
from dmjax.data import base
from dmjax.data import feature_noise
from dmjax.data import pipelines
from dmjax.train import loop
from experiments import grid
from experiments import tables

OUT = pathlib.Path(__file__).parent / "feature_noise"
RUN = ("variant", "seed", "step")
METRICS = ("common", "rare", "top1_common", "top1_rare", "train_rare")
EVERY, STEPS = 100, 1500

_ERM, _MIXUP = "feature_noise:patch_mlp", "feature_noise:patch_mlp,mixup"
# What is changed for a network of another power to learn as fast.
_CUBIC = {"model.power": 3, "model.scale": 0.05}
_RELU = {"model.power": 1}
# Words and changes.
VARIANTS = {
    "ERM": (_ERM, {}),
    "mixup": (_MIXUP, {}),
    "mixup, labels w^0.5": (_MIXUP, {"method.label_power": 0.5}),
    "mixup, labels w^2": (_MIXUP, {"method.label_power": 2.0}),
    "mixup until 25 %": (_MIXUP, {"method.until": "25 %"}),
    "mixup until 50 %": (_MIXUP, {"method.until": "50 %"}),
    "cubic, ERM": (_ERM, _CUBIC),
    "cubic, mixup": (_MIXUP, _CUBIC),
    "ReLU, ERM": (_ERM, _RELU),
    "ReLU, mixup": (_MIXUP, _RELU),
}
FIGURES = (
    ("ERM", "mixup", "mixup, labels w^0.5", "mixup, labels w^2"),
    ("ERM", "mixup", "mixup until 25 %", "mixup until 50 %"),
)
TITLES = {
    "common": "common: margin", "rare": "rare: margin",
    "top1_rare": "rare rows: top-1, %",
}
_TEST_SEED = 1_000_000


def main(arguments=None) -> None:
  """Runs what is missing of the table and writes it."""
  args = grid.arguments(__doc__, OUT, VARIANTS, seeds=10).parse_args(arguments)
  args.out.mkdir(parents=True, exist_ok=True)
  path = args.out / "results.csv"
  rows = tables.read(path)
  done = {(row["variant"], row["seed"]) for row in rows}
  cells = [] if args.report else itertools.product(args.variants, args.seeds)
  wanted = [c for c in cells if (c[0], str(c[1])) not in done]
  for variant, seed in tqdm.tqdm(wanted, unit="run"):
    rows += curve(variant, seed, args.smoke)
    tables.write(path, rows, RUN + METRICS)
  (args.out / "README.md").write_text(page(rows))
  plot(rows, args.out / "plot.png")


def sources(seed: int) -> dict[str, base.Source]:
  """Training rows of a seed; the test rows of all."""
  rows = feature_noise.draw(400, seed)
  test = feature_noise.source_of(_test(0.0))
  return {"train": feature_noise.source_of(rows), "test": test}


@functools.cache
def _test(rare):
  return feature_noise.draw(1000, _TEST_SEED, rare)


def curve(variant: str, seed: int, smoke: bool = False) -> list[grid.Row]:
  """What one run has learned, after every so many steps."""
  words, changes = VARIANTS[variant]
  total, every = (4, 2) if smoke else (STEPS, EVERY)
  changes = changes | {"total": f"{total} steps"}
  run, step, _ = grid.compiled(words, json.dumps(changes), sources)
  rows = feature_noise.draw(400, seed)
  source = feature_noise.source_of(rows)
  data = pipelines.open_pipeline(run.config.data, source, "train")
  stream = data.batches(run.config.batch_size, seed)
  state = parallel.replicate(loop.first_state(run, seed))
  updates = loop.updates(step, state, data, stream, seed=seed)
  found, logits = [], _logits(run)
  for place, (state, _) in enumerate(itertools.islice(updates, total), 1):
    if place % every == 0:
      learned = _learned(functools.partial(logits, state), rows)
      named = dict(zip(RUN, (variant, str(seed), str(place))))
      found.append(named | {k: f"{v:.5f}" for k, v in learned.items()})
  return found


@functools.lru_cache(maxsize=1)
def _logits_of(predict):
  return jax.jit(lambda state, x: predict(state, {"x": x}))


def _logits(run):
  return _logits_of(run.method.predict)


def _learned(logits, rows):
  """Margins of features by themselves, and accuracies."""
  alone = np.zeros((4, feature_noise.PATCHES, feature_noise.SIZE), np.float32)
  alone[:, 0] = feature_noise.features()
  z = logits(alone.reshape(4, -1))
  margins = np.asarray(z[:, 0] - z[:, 1]) * (1, -1, 1, -1)

  def top1(rows):
    return np.mean(np.argmax(logits(rows.x), axis=1) == rows.label)

  hits = np.argmax(logits(rows.x), axis=1) == rows.label
  return {
      "common": margins[:2].mean(), "rare": margins[2:].mean(),
      "top1_common": top1(_test(0.0)), "top1_rare": top1(_test(1.0)),
      "train_rare": hits[rows.rare].mean(),
  }


def at(rows, variant: str, metric: str, step: str) -> dict[str, float]:
  """Values by seed after so many steps."""
  return grid.of(rows, metric, variant=variant, step=step)


def page(rows: list[grid.Row]) -> str:
  """The page: what has been learned at the end, and at the best step."""
  return f"""# Feature-noise data: does mixup learn the rare features?

    python -m experiments.feature_noise

400 rows of four patches of 256 numbers in two classes: a common feature in nine
rows of ten, a rare one in the tenth, a faint feature of either class, and two
patches of noise, each longer than a feature (`dmjax/data/feature_noise.py`).
Ten quadratic filters for each class, full batches, SGD at a constant rate,
{STEPS} steps; two CPU cores, {_seeds(rows)} seeds; mean ± standard deviation. A
margin is the difference of the logits of a row that holds a feature and nothing
else. Sizes, network and rate were chosen, among about eight settings, so that plain
training with quadratic filters passes over what is rare and mixup does not, in
trials some of which drew the same training rows; the cubic and ReLU rows show
what hangs on that.

{final(rows)}

The same at the step where top-1 of rare rows is best on average:

{best(rows)}

Top-1 at the end, of rare rows and of all (nine common ones to a rare one),
paired differences over seeds in points (mean ± standard error):

{differences(rows)}

![What is learned of the features over time](plot.png)
"""


def _seeds(rows):
  return len({row["seed"] for row in rows})


def _variants(rows):
  return [name for name in VARIANTS if any(r["variant"] == name for r in rows)]


def _line(rows, variant, step):
  margins = [
      tables.mean_and_deviation(list(at(rows, variant, name, step).values()))
      for name in METRICS[:2]
  ]
  shares = [
      tables.mean_and_deviation(
          [100 * v for v in at(rows, variant, name, step).values()]
      )
      for name in METRICS[2:]
  ]
  return *margins, *shares


_HEAD = (
    "margin, common", "margin, rare", "top-1, common rows", "top-1, rare rows",
    "training rare rows",
)


def final(rows: list[grid.Row]) -> str:
  """The table of the last step."""
  last = max((row["step"] for row in rows), key=int)
  lines = [(name, *_line(rows, name, last)) for name in _variants(rows)]
  return tables.markdown(("variant", *_HEAD), lines)


def best(rows: list[grid.Row]) -> str:
  """The table of each variant's best step."""
  steps = sorted({row["step"] for row in rows}, key=int)
  lines = []
  for name in _variants(rows):
    mean = lambda s: np.mean(list(at(rows, name, "top1_rare", s).values()))
    step = max(steps, key=mean)
    lines.append((name, step, *_line(rows, name, step)))
  return tables.markdown(("variant", "step", *_HEAD), lines)


def differences(rows: list[grid.Row]) -> str:
  """Against training without mixup, and against plain mixup."""
  last = max((row["step"] for row in rows), key=int)
  lines = []
  for name in _variants(rows):
    same = name.endswith((", ERM", ", mixup"))
    kind = f"{name.split(', ')[0]}, " if same else ""
    lines.append((name, *(
        grid.difference(top1(name), top1(kind + control))
        for top1 in (
            lambda who: at(rows, who, "top1_rare", last),
            lambda who: _of_all(rows, who, last),
        )
        for control in ("ERM", "mixup")
    )))
  return tables.markdown((
      "variant", "rare, less ERM", "rare, less mixup", "all, less ERM",
      "all, less mixup",
  ), lines)


def _of_all(rows, variant, step):
  """Top-1 of nine common rows to a rare one, by seed."""
  common, rare = (
      at(rows, variant, metric, step) for metric in ("top1_common", "top1_rare")
  )
  return {seed: 0.9 * common[seed] + 0.1 * rare[seed] for seed in common}


def plot(rows: list[grid.Row], path: pathlib.Path) -> None:
  """Margins and accuracy over time; mean and deviation over seeds."""
  figure, panels = plt.subplots(
      len(TITLES), 2, figsize=(9, 8), sharex=True, sharey="row"
  )
  for column, names in zip(panels.T, FIGURES):
    for axes, metric in zip(column, TITLES):
      for name in names:
        _draw(axes, rows, name, metric)
      axes.grid(alpha=0.3)
    column[0].set_yscale("log")
    column[0].set_yticks([1, 2, 5, 10, 20], [1, 2, 5, 10, 20])
    column[0].minorticks_off()
    column[0].legend(frameon=False, fontsize=8)
    column[-1].set_xlabel("step")
  for axes, title in zip(panels[:, 0], TITLES.values()):
    axes.set_ylabel(title)
  panels[0, 0].set_title("shares of labels")
  panels[0, 1].set_title("mixup that stops early")
  figure.tight_layout()
  figure.savefig(path, dpi=120)
  plt.close(figure)


def _draw(axes, rows, name, metric):
  steps = sorted({int(row["step"]) for row in rows})
  values = np.array([list(at(rows, name, metric, s).values()) for s in steps])
  values *= 100 if metric.startswith("top1") else 1
  mean, deviation = values.mean(axis=1), values.std(axis=1)
  line, = axes.plot(steps, mean, label=name)
  axes.fill_between(
      steps, mean - deviation, mean + deviation, alpha=0.15, lw=0,
      color=line.get_color(),
  )


if __name__ == "__main__":
  main()

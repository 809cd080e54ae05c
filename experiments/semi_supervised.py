"""What do unlabelled digits add, and DM? Methods x labels x seeds.

    python -m experiments.semi_supervised

Trains ResNet-8 on the digits with 2, 4 and 10 labels a class and all 1,437
images without theirs, by every method of semi-supervised training, with and
without decoupled mixup, and by the labelled images alone, which get the weak
augmentation, the strong one, or mixup: the best of these three counts. A seed
draws the labels, the parameters and the batches, the same for all methods.
Writes `experiments/semi_supervised/`: results.csv (a row per run), README.md,
plot.png and pseudo_labels.png. Runs that stand in the csv are not repeated.

Every 100 steps the pseudo-labels of all training images are compared with their
labels, which training never sees.
"""

import argparse
from collections.abc import Sequence
import functools
import itertools
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import tqdm

from dmjax import parallel
from dmjax import recipes
from dmjax.data import base
from dmjax.data import derived
from dmjax.data import labels as labels_lib
from dmjax.data import pipelines
from dmjax.train import evaluation
from dmjax.train import loop
from dmjax.train import run as run_lib
from experiments import semi_supervised_report as report
from experiments import tables

OUT = pathlib.Path(__file__).parent / "semi_supervised"
_STRONG = {"data.auto_augment": "fixmatch-n3", "data.cutout": 2}
_ONE_HEAD = {"method.heads": 1}
_SYMMETRIC = {"method.one_sided": False}

# What each row of the table trains, and what it changes of the recipe.
VARIANTS = {
    "labelled only, weak": ("supervised", {}),
    "labelled only, strong": ("supervised", _STRONG),
    "labelled only, mixup": ("supervised,mixup", {}),
    "pseudo-label": ("pseudo_label", {}),
    "ICT": ("ict", {}),
    "MixMatch": ("mixmatch", {}),
    "MixMatch, DM": ("mixmatch,mixup,dm", {}),
    "ReMixMatch": ("remixmatch", {}),
    "ReMixMatch, DM": ("remixmatch,mixup,dm", {}),
    "FixMatch": ("fixmatch", {}),
    "FlexMatch": ("flexmatch", {}),
    "FreeMatch": ("freematch", {}),
    "SoftMatch": ("softmatch", {}),
    "FixMatch, mixup, one head": ("fixmatch,mixup", _ONE_HEAD),
    "FixMatch, mixup, two heads": ("fixmatch,mixup", {}),
    "FixMatch, DM, one head": ("fixmatch,mixup,dm", _ONE_HEAD),
    "FixMatch, DM, two heads": ("fixmatch,mixup,dm", {}),
    "FixMatch, symmetric DM, two heads": ("fixmatch,mixup,dm", _SYMMETRIC),
    "Self-Tuning": ("self_tuning", {}),
    "Self-Tuning, mixup": ("self_tuning,mixup", {}),
    "Self-Tuning, DM": ("self_tuning,mixup,dm", {}),
}
LABELS = (2, 4, 10)
RUN = ("labels", "variant", "seed")
EVERY = 100


def main(arguments: Sequence[str] | None = None) -> None:
  """Runs what is missing of the table and writes it."""
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument("--seeds", type=int, nargs="+", default=list(range(10)))
  parser.add_argument("--variants", nargs="+", default=list(VARIANTS))
  parser.add_argument("--labels", type=int, nargs="+", default=list(LABELS))
  parser.add_argument("--out", type=pathlib.Path, default=OUT)
  parser.add_argument("--smoke", action="store_true", help="four steps a run")
  parser.add_argument("--report", action="store_true", help="train nothing")
  args = parser.parse_args(arguments)
  args.out.mkdir(parents=True, exist_ok=True)
  path = args.out / "results.csv"
  rows = tables.read(path)
  done = {tuple(str(row[key]) for key in RUN) for row in rows}
  # All seeds of a variant in turn: its step is compiled once.
  grid = itertools.product(args.variants, args.labels, args.seeds)
  wanted = [] if args.report else [
      cell for cell in grid
      if tuple(map(str, (cell[1], cell[0], cell[2]))) not in done
  ]
  for variant, labels, seed in tqdm.tqdm(wanted, unit="run"):
    found = train(variant, labels, seed, 4 if args.smoke else 0)
    rows.append({"labels": labels, "variant": variant, "seed": seed, **found})
    tables.write(path, rows, RUN + report.METRICS)
  rows.sort(key=lambda row: list(VARIANTS).index(row["variant"]))
  (args.out / "README.md").write_text(report.page(rows))
  report.plots(rows, args.out)


def train(variant: str, labels: int, seed: int, steps: int) -> dict[str, str]:
  """One run: its test accuracy, and its pseudo-labels over time."""
  run, step, evaluate, judge = compile_variant(variant, steps)
  data = stream_of(run, labels, seed)
  stream = data.batches(run.config.batch_size, seed)
  state = parallel.replicate(loop.first_state(run, seed))
  updates = loop.updates(step, state, data, stream, seed=seed)
  judged = []
  for state, _ in itertools.islice(updates, run.times.total):
    if int(state.step) % EVERY == 0 or int(state.step) == run.times.total:
      judged.append([float(value) for value in judge(state)])
  metrics = evaluate(state)
  believed, right, right_of_all = zip(*judged)
  return {
      "top1": f"{metrics['top1']:.5f}", "nll": f"{metrics['nll']:.5f}",
      "believed": " ".join(f"{value:.4f}" for value in believed),
      "right": " ".join(f"{value:.4f}" for value in right),
      "right_of_all": " ".join(f"{value:.4f}" for value in right_of_all),
  }


@functools.lru_cache(maxsize=1)
def compile_variant(variant: str, steps: int):
  """Run, step, evaluation and the judge of pseudo-labels, for all seeds."""
  words, changes = VARIANTS[variant]
  method, *mixing = words.split(",")
  config = recipes.load("digits:" + ",".join((method, "40", *mixing)))
  config.update_from_flattened_dict(changes)
  config.data.labels = ""  # The rows are chosen below.
  if steps:
    config.total = f"{steps} steps"
  run = run_lib.assemble(config)
  evaluate = evaluation.make_evaluator(run)
  return run, loop.compile_step(run), evaluate, make_judge(run)


def stream_of(run: run_lib.Run, labels: int, seed: int) -> base.Pipeline:
  """The training stream with the labels of a seed; arrays are the same for all.

  So the compiled step serves every number of labels.
  """
  source, whole = run.sources["train"], run.pipeline("train")
  rows = labels_lib.draw(source, f"{labels} per class", seed)
  few = pipelines.open_pipeline(
      run.config.data, derived.subset(source, rows), "train"
  )

  def batches(batch_size, seed, position=None):
    stream = few.batches(batch_size, seed, position)
    following = lambda: {"row": rows[stream.next()["row"]].astype(np.int32)}
    return base.Stream(following, stream.position)

  labelled = whole._replace(batches=batches)
  if not run.config.unlabelled.split:
    return labelled
  streams = {"labelled": labelled, "unlabelled": run.pipeline("unlabelled")}
  return pipelines.together(streams, run.config.unlabelled.ratio)


def make_judge(run: run_lib.Run):
  """`state -> (share above 0.8, right of those, right of all)`, in evaluation.

  The parameters are the present ones, which make the pseudo-labels.
  """
  whole, network = run.pipeline("train"), run.method.network
  batch = jax.jit(whole.select)(whole.rows(np.arange(whole.size)), whole.shared)

  @jax.jit
  def judge(state):
    params = state.params.get("network", state.params)
    variables = {"params": params, **state.model_state}
    logits = network.predict(variables, batch["x"])[:, :10]
    right = jnp.argmax(logits, -1) == batch["label"]
    believed = jnp.max(jax.nn.softmax(logits), -1) >= 0.8
    share = jnp.mean(believed)
    of_believed = jnp.sum(right * believed) / jnp.maximum(jnp.sum(believed), 1)
    return share, of_believed, jnp.mean(right)

  return judge


if __name__ == "__main__":
  main()

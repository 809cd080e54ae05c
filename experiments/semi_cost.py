"""What a step of semi-supervised training costs, and its views.

    python -m experiments.semi_cost

Steps of every method on the digits, data and views included, run in turns with
supervised steps of as many images as the method forwards, and with the views
alone. Writes `cost.csv` and `cost.md` into `experiments/semi_supervised/`.

Expected: pseudo-labels and thresholds cost nothing beside the forward pass of
their images. FixMatch forwards all its images with gradients, so its step is one
of supervised training with as many images, plus RandAugment on four ninths of
them. MixMatch, ReMixMatch, ICT and Self-Tuning forward some images without
gradients, a third of the work of others.
"""

import argparse
from collections.abc import Sequence
import pathlib

import jax
import numpy as np

from dmjax import parallel
from dmjax import recipes
from dmjax.train import augmentation
from dmjax.train import loop
from dmjax.train import run as run_lib
from experiments import tables
from experiments import timing

OUT = pathlib.Path(__file__).parent / "semi_supervised"
# Images that each method forwards for a labelled one, with 4 unlabelled ones:
# labelled and weak; guesses, then all views mixed; and so on.
FORWARDED = {
    "pseudo_label": 1 + 4,
    "fixmatch": 1 + 2 * 4,
    "flexmatch": 1 + 2 * 4,
    "freematch": 1 + 2 * 4,
    "softmatch": 1 + 2 * 4,
    "fixmatch,mixup,dm": 1 + 2 * 4 + 2,
    "mixmatch": 2 * 4 + (1 + 2 * 4),
    "remixmatch": 4 + (1 + 3 * 4) + 2 * 4,
    "ict": 4 + 1 + 4,
    "self_tuning": 2 * (1 + 4),
}
COLUMNS = ("method", "images", "ms", "ratio", "views_ms", "views_share")


def main(arguments: Sequence[str] | None = None) -> None:
  """Measures and writes the table."""
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument("--repeats", type=int, default=30)
  parser.add_argument("--methods", nargs="+", default=list(FORWARDED))
  parser.add_argument("--out", type=pathlib.Path, default=OUT)
  args = parser.parse_args(arguments)
  args.out.mkdir(parents=True, exist_ok=True)
  rows = measure(args.methods, args.repeats)
  tables.write(args.out / "cost.csv", rows, COLUMNS)
  (args.out / "cost.md").write_text(page(rows))


def measure(methods: Sequence[str], repeats: int) -> list[dict[str, str]]:
  """A row for each method: medians, in turns."""
  programs = {}
  for method in methods:
    words = method.split(",")
    run = assemble(",".join((words[0], "40", *words[1:])))
    count = run.config.batch_size * FORWARDED[method]
    programs[method, "step"] = step_of(run)
    programs[method, "views"] = views_of(run)
    programs[count, "step"] = step_of(assemble("supervised,40", count))
  seconds = timing.in_turns(programs, repeats)
  ms = {name: 1e3 * np.median(values) for name, values in seconds.items()}
  found = []
  for method in methods:
    count = 32 * FORWARDED[method]
    step, views = ms[method, "step"], ms[method, "views"]
    values = (step, step / ms[count, "step"], views, views / step)
    found.append(dict(zip(
        COLUMNS, (method, count, *(f"{value:.3f}" for value in values))
    )))
  return found


def assemble(words: str, batch_size: int = 32) -> run_lib.Run:
  """The run of a digits recipe."""
  config = recipes.load(f"digits:{words}")
  config.batch_size = batch_size
  return run_lib.assemble(config)


def step_of(run: run_lib.Run):
  """`key -> metrics`: the next step of training, as the loop does it."""
  data = run.training()
  following = loop.updates(
      loop.compile_step(run), parallel.replicate(loop.first_state(run, 0)),
      data, data.batches(run.config.batch_size, 0), seed=0,
  )
  return lambda key: next(following)[1]


def views_of(run: run_lib.Run):
  """`key -> batch`: the views of one batch, and nothing else."""
  data = run.training()
  batch = jax.device_put(data.batches(run.config.batch_size, 0).next())

  @jax.jit
  def views(key, batch, shared):
    return augmentation.views(
        key, data.select(batch, shared), run.method.views, run.augment
    )

  return lambda key: views(key, batch, data.shared)


def page(rows: Sequence[dict[str, str]]) -> str:
  """The table with its heading."""
  lines = [
      (
          row["method"], row["images"], f"{float(row['ms']):.1f}",
          f"{float(row['ratio']):.2f}", f"{float(row['views_ms']):.1f}",
          f"{100 * float(row['views_share']):.0f} %",
      )
      for row in rows
  ]
  head = (
      "method", "images", "ms a step", "over supervised", "ms of views",
      "their share",
  )
  return f"""# What semi-supervised steps cost

    python -m experiments.semi_cost

ResNet-8 on digits of 8 x 8 pixels, 32 labelled and 128 unlabelled images, on
{timing.hardware()}, medians of steps in turns. `images` are those that go
through the network in a step; `over supervised` is the time over that of a
supervised step of as many images.

{tables.markdown(head, lines)}
"""


if __name__ == "__main__":
  main()

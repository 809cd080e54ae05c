"""Mixers that learn, and shares that are corrected, on a few handwritten digits.

    python -m experiments.learned_mixers

trains what is missing of `experiments/learned_mixers/results.csv`, and writes
README.md and pictures of the masks beside it. A seed draws the parameters and
the batches, and has 280 training images of its own. TransformMix is a chain of
three runs on them: a teacher without mixing, the search, and the run it is for.
What its teacher says of mixed test images is in `teacher.csv`.
"""

from collections.abc import Sequence
import functools
import itertools
import pathlib
import tempfile
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dmjax import losses
from dmjax import methods
from dmjax import mixers
from dmjax.data import base
from dmjax.data import pipelines
from dmjax.data import sources as sources_lib
from dmjax.train import checkpoint
from dmjax.train import preview
from dmjax.train import run as run_lib
from dmjax.train import workdir as workdir_lib
from experiments import grid
from experiments import tables
from experiments import timing

OUT = pathlib.Path(__file__).parent / "learned_mixers"
ROWS, STEPS = 280, 300
METRICS = ("top1", "nll", "ece")
CONTROL = "mixup"
# Words behind `digits:`, and what they change.
_MOMENTUM = {"method.end_momentum": 0.98}
_STRENGTH = {"method.strength": 100.0}
VARIANTS = {
    "no mixing": ("resnet8", {}),
    "mixup": ("resnet8,mixup", {}),
    f"mixup, {3 * STEPS} steps": (
        "resnet8,mixup", {"total": f"{3 * STEPS} steps"}
    ),
    "mixup, DM": ("resnet8,mixup,dm", {}),
    "CutMix": ("resnet8,cutmix", {}),
    "AutoMix": ("resnet8,automix", _MOMENTUM),
    "AdAutoMix": ("resnet8,adautomix", _MOMENTUM),
    "AdAutoMix, shares not told": (
        "resnet8,adautomix", _MOMENTUM | {"method.mix_block.embed": False}
    ),
    "TransformMix": ("resnet8,transformed", {}),
    "TransformMix, DM": ("resnet8,transformed,dm", {}),
    "mixup, SUMix": ("resnet8,mixup,sumix", {}),
    "CutMix, SUMix": ("resnet8,cutmix,sumix", {}),
    "mixup, SUMix at 100": ("resnet8,mixup,sumix", _STRENGTH),
    "CutMix, SUMix at 100": ("resnet8,cutmix,sumix", _STRENGTH),
}
CHANGES = {
    "model.widths": (8, 16, 32), "batch_size": 32, "total": f"{STEPS} steps",
    "schedule.warmup": "30 steps", "evaluate.mix": {"name": "identity"},
    "steps_per_call": 1,
}
# Who mixes for the teacher, with the same pairs and lambdas.
MIXES = ("transformmix", "cutmix", "mixup")
TEACHER = (*MIXES, "gap", "moved")


def sources(seed: int) -> dict[str, base.Source]:
  """The training images of a seed, and the test images of all."""
  own = f"train[{seed * ROWS}:{(seed + 1) * ROWS}]"
  return {
      "train": sources_lib.open_source("digits", own),
      "test": sources_lib.open_source("digits", "test"),
  }


def train(variant: str, seed: int, *, folder: pathlib.Path, smoke: bool = False):
  """The metrics of one run, after those that it needs."""
  words, changes = VARIANTS[variant]
  changes = CHANGES | changes
  if "transformed" in words:
    changes["mix.workdir"] = str(search(seed, folder, smoke))
  run, evaluate, state = grid.trained(
      f"digits:{words}", changes, seed, sources=sources, smoke=smoke
  )
  if run.method.learned and seed == 0:
    draw(run, state, folder / f"{words.split(',')[1]}.png")
  return evaluate(state)


@functools.cache
def search(seed: int, folder: pathlib.Path, smoke: bool = False) -> pathlib.Path:
  """The workdir of a search, with the teacher that it needs."""
  where = folder / f"teacher{seed}", folder / f"search{seed}"
  run, _, state = grid.trained(
      "digits:resnet8", CHANGES, seed, sources=sources, smoke=smoke
  )
  keep(run, state, where[0])
  run, _, state = grid.trained(
      "digits:resnet8,transformmix", CHANGES | {"method.teacher": str(where[0])},
      seed, sources=sources, smoke=smoke,
  )
  keep(run, state, where[1])
  if seed == 0:
    draw(run, state, folder / "transformmix.png")
  return where[1]


def keep(run: run_lib.Run, state: Any, workdir: pathlib.Path) -> None:
  """Writes a workdir that other runs can learn from."""
  workdir_lib.claim(
      workdir, run.config, run.sources, run.example["x"], run.labelled
  )
  manager = checkpoint.open_manager(workdir, keep=1)
  checkpoint.save(manager, int(state.step), state, {"metrics": {}}, {})
  manager.close()


def draw(run: run_lib.Run, state: Any, path: pathlib.Path) -> None:
  """Masks and mixes of a few test images."""
  preview.save_masks(run, run.method.learned(jax.device_get(state)), path)


def ask_teacher(seed: int, *, folder: pathlib.Path, smoke: bool = False):
  """The teacher's mixup loss on test images, mixed by each with one lambda.

  Args:
    seed: Of the search.
    folder: Of its workdir.
    smoke: As it was made.

  Returns:
    The mean loss by mixer, labels weighed by the mask of each; `gap`, mean
    distance of TransformMix's weight and lambda; and `moved`, mean distance of
    what it shows from the blend of its mask without a warp.
  """
  run, state = run_lib.load(search(seed, folder, smoke))
  learned = run.method.learned(jax.device_get(state))
  data = pipelines.open_pipeline(run.config.data, sources(seed)["test"], "test")
  lam = np.random.default_rng(seed).uniform(size=data.size).astype(np.float32)

  @jax.jit
  def measure(rows, shared):
    batch = data.select(rows, shared)
    x, found = batch["x"], {}
    for name in MIXES:
      mixer = getattr(mixers, name)
      mixer = methods.as_mixer(learned) if name == "transformmix" else mixer
      mixed = mixer(jax.random.key(seed), x, lam=lam, partner="roll")
      logits = run.method.predict(state, {"x": mixed.x})
      found[name] = losses.mixup_cross_entropy(
          logits, batch["label"][mixed.sources], mixed.weights
      )
      if name == "transformmix":
        still = mixed.mask * x + (1 - mixed.mask) * x[mixed.sources[:, 1]]
        found["gap"] = jnp.abs(mixed.weights[:, 0] - lam)
        found["moved"] = jnp.abs(mixed.x - still)
    return jax.tree.map(jnp.mean, found)

  found = measure(data.rows(np.arange(data.size)), data.shared)
  return {name: float(value) for name, value in found.items()}


def report(rows: Sequence[grid.Row], asked: Sequence[grid.Row]) -> str:
  """The page of README.md."""
  seeds = len({row["seed"] for row in rows})
  return f"""# Mixers that learn, on 280 handwritten digits

    python -m experiments.learned_mixers

{timing.hardware()}. {seeds} seeds, each with {ROWS} training images of its own;
{STEPS} steps of 32 images, ResNet-8 with 8, 16 and 32 channels, and the 360 test
images after the last step. Mean and standard deviation over seeds, in percent but
for NLL; differences are paired by seed, in points, with their standard error.

{accuracies(rows)}

So short a training is too short for mixed images alone: without mixing the same
steps end higher, and three times as many steps of mixup higher still. Of the
mixers, read the order, not the level. AutoMix and AdAutoMix show clean images as
well, two and three times as many images a step, and are evaluated by their
teacher, an average of the student. TransformMix is the last run of
three: its teacher is a run without mixing, and teacher and search cost as much
again, each; three times the steps of mixup are the control of that.

TransformMix's `lam_weight` was chosen by the training loss and the distance of
the mask from lambda, on the first 300 training images: at 0 and 1 the search ends
by showing one image alone (distances of 0.22 of at most 0.25), at 10 it does not
(0.06). The teachers of AutoMix and AdAutoMix follow with a momentum of 0.98 to the
end, not 0.999: of AdAutoMix that gave 85.9 instead of 82.5 % on 537 training images
that were held out, in one run each. There SUMix with mixup had 90.3, 86.4 % at a
strength of 1, 10, and mixup itself 85.7 %, so it is 1; at 100, the size of the
published batch, shares of ten classes become 0 or 1. AdAutoMix is told the shares,
since a picture of its masks without showed that they do not follow. All other settings are those
of the recipes and were not tuned here.

## What the frozen teacher says of mixed images

Its mixup loss on test images, mixed with the same pairs and lambdas, labels
weighed by what each mixer shows:

{questions(asked)}

`gap` is the mean distance of the mean of TransformMix's mask and lambda, `moved`
that of its pixels and the same mask on images that do not move.

![TransformMix: inputs, masks and mixed images for five lambdas](transformmix.png)

Dark is the second image. Each mask is the share of the first one, as it was moved.

![AdAutoMix: three inputs each](adautomix.png)

In so few steps AdAutoMix's masks learn to follow the shares, and not where: they are
the same everywhere, as in a mixup of three.
"""


def accuracies(rows: Sequence[grid.Row]) -> str:
  """The variants beside the control, as a table."""
  control = grid.of(rows, "top1", variant=CONTROL)
  lines = []
  for variant in VARIANTS:
    own = grid.of(rows, "top1", variant=variant)
    if not own:
      continue
    gap = "" if variant == CONTROL else grid.difference(own, control)
    lines.append((
        variant, grid.mean(rows, "top1", variant=variant), gap,
        grid.mean(rows, "nll", scale=1, variant=variant),
        grid.mean(rows, "ece", variant=variant),
    ))
  head = ("", "top-1", "less mixup's", "NLL", "ECE")
  return tables.markdown(head, lines)


def questions(rows: Sequence[grid.Row]) -> str:
  """The losses of the teacher, as a table."""
  line = [grid.mean(rows, name, scale=1) for name in TEACHER]
  fewer = grid.difference(
      grid.of(rows, "transformmix"), grid.of(rows, "cutmix"), scale=1
  )
  head = ("TransformMix", "CutMix", "mixup", "gap", "moved",
          "TransformMix less CutMix")
  return tables.markdown(head, [(*line, fewer)], names=0)


def main(arguments: Sequence[str] | None = None) -> None:
  """Trains what is missing, and writes the page."""
  args = grid.arguments(__doc__, OUT, VARIANTS).parse_args(arguments)
  with tempfile.TemporaryDirectory() as scratch:
    folder = pathlib.Path(scratch)
    cells = [] if args.report else itertools.product(args.variants, args.seeds)
    rows = grid.fill(
        args.out / "results.csv", ("variant", "seed"), METRICS, cells,
        functools.partial(train, folder=folder, smoke=args.smoke),
    )
    asks = any("TransformMix" in v for v in args.variants) and not args.report
    asked = grid.fill(
        args.out / "teacher.csv", ("seed",), TEACHER,
        [(seed,) for seed in args.seeds] if asks else [],
        functools.partial(ask_teacher, folder=folder, smoke=args.smoke),
    )
    for picture in folder.glob("*mix.png"):
      (args.out / picture.name).write_bytes(picture.read_bytes())
  (args.out / "README.md").write_text(report(rows, asked))


if __name__ == "__main__":
  main()

"""What DM(CE) costs beside mixup cross-entropy, and in a whole step.

    python -m experiments.loss_cost

Expected before measuring: DM(CE) replaces the reduction over classes by a
masked one and adds O(K) work per row, so about the cost of mixup cross-entropy
plus the mask; and in a step of ResNet-18 neither should be seen.

Losses are timed forward and backward, compiled, in float32, taking turns in an
order drawn anew for every round: in a fixed order, ratios moved by 0.2 with
what came before. They also differ between processes, so there are several, and
the ratio quoted is the median of theirs. `optax` is the usual way to write
mixup cross-entropy, `optax.softmax_cross_entropy` with the mixed soft label.
"""

import argparse
from collections.abc import Sequence
from concurrent import futures
import multiprocessing
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import tqdm

from dmjax import losses
from dmjax import methods
from dmjax import recipes
from experiments import tables
from experiments import timing

OUT = pathlib.Path(__file__).parent / "loss_cost"
SIZES = ((128, 100), (256, 1000), (1024, 1000))
STEP = "ResNet-18 step"
RECIPE = "cifar100:resnet18,cutmix"
HEAD = (
    "case", "mixup CE, ms", "DM(CE), ms", "soft-label CE of optax, ms",
    "DM / mixup CE", "DM / optax",
)


def optax_mixup_cross_entropy(logits, labels, weights):
  """Mixup cross-entropy by the soft label."""
  target = losses.soft_labels(labels, weights, logits.shape[-1])
  return optax.softmax_cross_entropy(logits, target)


LOSSES = {
    "mixup CE": losses.mixup_cross_entropy,
    "DM(CE)": losses.decoupled_cross_entropy,
    "optax": optax_mixup_cross_entropy,
}


def main(arguments: Sequence[str] | None = None) -> None:
  """Measures and writes the csv and the table."""
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument("--repeats", type=int, default=300)
  parser.add_argument("--processes", type=int, default=9)
  parser.add_argument("--batch", type=int, default=64, help="of the whole step")
  parser.add_argument("--dtype", default="float32", help="of the whole step")
  parser.add_argument("--out", type=pathlib.Path, default=OUT)
  args = parser.parse_args(arguments)
  # Before this process takes the accelerator for itself.
  rows = time_in_processes(args.processes, args.repeats)
  step = time_steps(args.batch, max(args.repeats // 20, 3), args.dtype)
  rows.append({"case": STEP, "process": 0, **step})
  args.out.mkdir(parents=True, exist_ok=True)
  tables.write(args.out / "results.csv", rows, ("case", "process", *LOSSES))
  (args.out / "README.md").write_text(report(rows, args))


def time_in_processes(processes: int, repeats: int) -> list[dict]:
  """Seconds of each loss at each size, in fresh processes one after another."""
  spawn = multiprocessing.get_context("spawn")
  rows = []
  with futures.ProcessPoolExecutor(
      1, mp_context=spawn, max_tasks_per_child=1
  ) as pool:
    jobs = [pool.submit(time_sizes, repeats) for _ in range(processes)]
    for number, job in enumerate(tqdm.tqdm(jobs, desc="processes")):
      rows += [{"process": number, **row} for row in job.result()]
  return rows


def time_sizes(repeats: int) -> list[dict]:
  """Seconds of each loss at each size, in this process."""
  return [
      {"case": f"[{batch}, {classes}]", **time_losses(batch, classes, repeats)}
      for batch, classes in SIZES
  ]


def time_losses(batch: int, classes: int, repeats: int) -> dict[str, float]:
  """Seconds of value and gradient of each loss."""
  keys = jax.random.split(jax.random.key(0), 3)
  logits = jax.random.normal(keys[0], (batch, classes))
  labels = jax.random.randint(keys[1], (batch, 2), 0, classes)
  share = jax.random.uniform(keys[2], (batch, 1))
  weights = jnp.concatenate([share, 1 - share], axis=1)
  programs = {}
  for name, loss in LOSSES.items():
    mean = lambda z, y, w, loss=loss: loss(z, y, w).mean()
    compiled = jax.jit(jax.value_and_grad(mean))
    # A loss draws nothing from the key.
    programs[name] = lambda key, f=compiled: f(logits, labels, weights)
  return medians(programs, repeats)


def medians(programs: dict[str, Any], repeats: int) -> dict[str, float]:
  """Median seconds of each program, called in turns."""
  seconds = timing.in_turns(programs, repeats)
  return {name: float(np.median(values)) for name, values in seconds.items()}


def time_steps(batch: int, repeats: int, dtype: str) -> dict[str, float]:
  """Seconds of one step of ResNet-18 on 32x32 images, with each loss."""
  config = recipes.load(RECIPE)
  config.batch_size, config.model.dtype = batch, dtype
  run = timing.run_without_data(config, pixels=32)
  programs = {}
  for name, loss in LOSSES.items():
    method = methods.supervised(run.method.network, run.mixer.mix, loss)
    programs[name], _ = timing.step_program(run._replace(method=method))
  return medians(programs, repeats)


def report(rows: list[dict], args: argparse.Namespace) -> str:
  """The table in markdown."""
  cases = {row["case"]: [] for row in rows}
  for row in rows:
    cases[row["case"]].append(row)
  dm = np.median([r["DM(CE)"] for r in rows if r["case"] == "[128, 100]"])
  plain = np.median([r["mixup CE"] for r in rows if r["case"] == "[128, 100]"])
  share = (dm - plain) / rows[-1]["mixup CE"]
  flags = " ".join(
      f"--{k} {getattr(args, k)}"
      for k in ("repeats", "processes", "batch", "dtype")
  )
  return f"""# The cost of DM(CE)

    python -m experiments.loss_cost {flags}

Forward and backward, compiled, on {timing.hardware()}, jax {jax.__version__}.
Losses: medians of {args.repeats} calls in each of {args.processes} processes;
given are the median over processes and, of ratios, the range. The losses take
turns in random order. The step, batch {args.batch} in {args.dtype}, is of one
process and a twentieth of the calls.

{tables.markdown(HEAD, [_line(*case) for case in cases.items()])}

The ratios of whole steps are of few calls and were not repeated: they do not
resolve one percent. By itself, what DM adds to mixup CE at [128, 100] is
{100 * share:.4f} % of a step.

Our mixup CE is the lean form: one logsumexp and K gathered logits. What DM(CE)
adds to it is one pass over the logits that takes the mixed classes out, and at
few classes the calls of a dozen small operations.
"""


def _line(case, runs):
  seconds = {name: np.array([run[name] for run in runs]) for name in LOSSES}
  times = [f"{1e3 * np.median(values):.3f}" for values in seconds.values()]
  ratios = [
      _spread(seconds["DM(CE)"] / seconds[name])
      for name in ("mixup CE", "optax")
  ]
  return [case, *times, *ratios]


def _spread(ratios):
  median = f"{np.median(ratios):.3f}"
  if len(ratios) == 1:
    return median
  return f"{median} ({ratios.min():.2f} to {ratios.max():.2f})"


if __name__ == "__main__":
  main()

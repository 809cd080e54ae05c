"""What one accelerator does with a training step, and what mixing adds to it.

    python -m experiments.accelerator

Needs no network and no data: images are noise, or with `--data_dir` those of the
recipe. Measures, whole steps as the training loop makes them, views included:

* the matrix multiplication that the device does fastest, as a ceiling;
* ResNet-18 at 32 px and ResNet-50 at 224 px in bfloat16, beside timm with
  `torch.compile` where torch and timm are installed;
* what mixers, the decoupled loss, guidance, views and AutoMix add to a step;
* several optimizer steps in one call.

Writes `experiments/accelerator/`: results.csv after every part, README.md and
plot.png; and a trace of some steps into `--trace`. Without an accelerator it
says so, and `--smoke` is what a CPU can do.

Expected: a step of ResNet-50 is bound by memory as much as by arithmetic, so a
third to a half of the ceiling; mixers of the input and the loss add less than
two percent; guidance by the gradient adds a forward and a backward pass, AutoMix
about as much as 2.4 steps; calls of several steps help where a step is as short
as its launch.
"""

import argparse
from collections.abc import Callable, Sequence
import importlib.util
import json
import pathlib
import subprocess
import sys
import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import tqdm

from dmjax import parallel
from dmjax.train import loop
from dmjax.train import run as run_lib
from experiments import accelerator_report as report
from experiments import grid
from experiments import tables
from experiments import timing

OUT = pathlib.Path(__file__).parent / "accelerator"


class Cell(NamedTuple):
  """A step to measure: a row of the results.

  Attributes:
    part: `networks`, `costs` or `calls`.
    name: In the table.
    words: The recipe.
    changes: Of its configuration.
    pixels: Side of the images.
    batch: Images in a batch.
    per_call: Optimizer steps in a call.
  """

  part: str
  name: str
  words: str
  changes: dict[str, Any]
  pixels: int
  batch: int
  per_call: int = 1


_SMALL = "cifar100:resnet18"
_NO_VIEWS = {"data.crop_padding": 0, "data.flip": False}
# What is added to the step of ResNet-18 with none of it.
_COSTS = {
    "nothing": (_SMALL, _NO_VIEWS),
    "views: crop and flip": (_SMALL, {}),
    "views: RandAugment": (_SMALL, {"data.auto_augment": "rand-m9-mstd0.5-inc1"}),
    "mixup": (f"{_SMALL},mixup", _NO_VIEWS),
    "cutmix": (f"{_SMALL},cutmix", _NO_VIEWS),
    "cutmix, DM": (f"{_SMALL},cutmix,dm", _NO_VIEWS),
    "fmix": (f"{_SMALL},fmix", _NO_VIEWS),
    "saliencymix, a map of pixels": (f"{_SMALL},saliencymix", _NO_VIEWS),
    "puzzlemix, the gradient": (f"{_SMALL},puzzlemix", _NO_VIEWS),
    "AutoMix": (f"{_SMALL},automix", _NO_VIEWS),
}


def cells(smoke: bool) -> list[Cell]:
  """Every step that is measured, a part after the other."""
  suffix, batch, large = (",smoke", 8, 4) if smoke else ("", 512, 128)
  pixels = 32 if smoke else 224
  resnet50 = "imagenet:resnet50,100ep" + suffix
  found = [
      Cell("networks", "ResNet-18", _SMALL + suffix, {}, 32, batch),
      Cell("networks", "ResNet-50", resnet50, {}, pixels, large),
  ]
  found += [
      Cell("costs", name, words + suffix, changes, 32, batch)
      for name, (words, changes) in _COSTS.items()
      if not smoke or name in ("nothing", "cutmix, DM")
  ]
  return found + [
      Cell("calls", f"{steps} a call", _SMALL + suffix, {}, 32, batch // 4, steps)
      for steps in ((1, 2) if smoke else (1, 4, 16))
  ]


def main(arguments: Sequence[str] | None = None) -> None:
  """Measures part by part and writes what there is after each."""
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument("--repeats", type=int, default=20)
  parser.add_argument("--parts", nargs="+", default=["networks", "costs", "calls"])
  parser.add_argument("--out", type=pathlib.Path, default=OUT)
  parser.add_argument("--trace", type=pathlib.Path,
                      default=pathlib.Path("runs/accelerator_trace"))
  parser.add_argument("--smoke", action="store_true", help="tiny, for a CPU")
  args = parser.parse_args(arguments)
  if jax.default_backend() == "cpu" and not args.smoke:
    parser.error("there is no accelerator here; --smoke measures a tiny network")
  args.out.mkdir(parents=True, exist_ok=True)
  # Before JAX takes the memory of the device for itself.
  rows = [] if args.smoke or "networks" not in args.parts else _with_torch(args)
  ceiling = matmul_ceiling(256 if args.smoke else 8192)
  for part in args.parts:
    rows += measure([c for c in cells(args.smoke) if c.part == part], args)
    tables.write(args.out / "results.csv", rows, report.COLUMNS)
    (args.out / "README.md").write_text(report.page(rows, ceiling, args.repeats))
    report.plot(rows, args.out / "plot.png")


def measure(of_part: Sequence[Cell], args) -> list[dict[str, str]]:
  """The rows of a part: its programs take turns."""
  programs, rows = {}, []
  for cell in tqdm.tqdm(of_part, desc="compiling", unit="step"):
    start = time.perf_counter()
    program, facts = step_of(cell)
    programs[cell.name] = program
    rows.append(_row(cell, facts, time.perf_counter() - start))
  seconds = timing.in_turns(programs, args.repeats)
  for cell, row in zip(of_part, rows):
    each = np.median(seconds[cell.name]) / cell.per_call
    row["ms"] = f"{1e3 * each:.3f}"
    row["images_per_second"] = f"{cell.batch / each:.0f}"
  if of_part and of_part[0].part == "networks":
    with jax.profiler.trace(str(args.trace)):
      jax.block_until_ready([programs[of_part[-1].name](None) for _ in range(3)])
  return rows


def _row(cell, facts, seconds):
  return {
      "part": cell.part, "step": cell.name, "library": "dmjax",
      "pixels": cell.pixels, "batch": cell.batch, "dtype": "bfloat16",
      "compile_s": f"{seconds:.1f}", **facts,
  }


def step_of(cell: Cell) -> tuple[Callable[[Any], Any], dict[str, str]]:
  """The next step of training as a program, and what the compiler says of it."""
  run = assemble(cell)
  data, per_call = run.training(), cell.per_call
  stream = data.batches(cell.batch, 0)
  state = parallel.replicate(loop.first_state(run, 0))
  rows = [stream.next() for _ in range(per_call)]
  rows = parallel.shard(jax.tree.map(lambda *x: np.stack(x), *rows))
  shared = {"data": data.shared, "seed": parallel.replicate(np.uint32(0))}
  lowered = loop.compile_step(run, per_call).lower(state, rows, shared)
  compiled = lowered.compile()
  following = loop.updates(
      compiled, state, data, stream, seed=0, per_call=per_call
  )
  flops = lowered.cost_analysis()["flops"] if per_call == 1 else 0
  facts = {"gflop": f"{flops / 1e9:.4g}", "mib": f"{_memory(compiled):.0f}"}
  return lambda key: next(following)[1], facts


def assemble(cell: Cell) -> run_lib.Run:
  """The run of a cell, on noise."""
  config = grid.config_of(cell.words, cell.changes)
  config.batch_size, config.model.dtype = cell.batch, "bfloat16"
  config.data.update(image_size=0, pipeline="resident", crop_scale=(), dir="")
  config.pretrained = ""
  return timing.run_without_data(config, cell.pixels)


def _memory(compiled) -> float:
  m = compiled.memory_analysis()
  total = m.argument_size_in_bytes + m.output_size_in_bytes
  return (total + m.temp_size_in_bytes - m.alias_size_in_bytes) / 2**20


def matmul_ceiling(size: int, repeats: int = 10) -> float:
  """TFLOP/s of a product of two square bfloat16 matrices, the best of some."""
  x = jnp.ones((size, size), jnp.bfloat16)
  # Several in a call, each of what the one before gave.
  count = 4
  product = jax.jit(lambda x: power(x, count))
  jax.block_until_ready(product(x))
  best = np.inf
  for _ in range(repeats):
    start = time.perf_counter()
    jax.block_until_ready(product(x))
    best = min(best, time.perf_counter() - start)
  return count * 2 * size**3 / best / 1e12


def power(x: jax.Array, count: int) -> jax.Array:
  """`x` to the power `count + 1`, scaled to stay finite."""
  y = x
  for _ in range(count):
    y = (y @ x) * (1 / x.shape[0])
  return y


def _with_torch(args) -> list[dict[str, str]]:
  """Rows of timm, measured in a process of its own; none without torch."""
  if any(importlib.util.find_spec(name) is None for name in ("torch", "timm")):
    print("torch and timm are not installed: no rows of theirs")
    return []
  command = [sys.executable, "-m", "experiments.accelerator_torch"]
  out = subprocess.run(
      [*command, "--repeats", str(args.repeats)], check=True,
      stdout=subprocess.PIPE, text=True,
  ).stdout
  return json.loads(out.splitlines()[-1])


if __name__ == "__main__":
  main()

"""What every mixer costs, alone and as a share of a training step.

    python -m experiments.mixer_cost

writes `results.csv`, `README.md` and `plot.png` into `--out`.
"""

import argparse
from collections.abc import Callable, Sequence
import csv
import inspect
import os
import pathlib
import platform
import random
import shlex
import textwrap
import time
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import tqdm

from dmjax import losses
from dmjax import mixers
from dmjax import models

STEP = "training step"
OUT = pathlib.Path("experiments/mixer_cost")
SMOKE_MIXERS = ("identity", "cutmix", "transmix")


class Setting(NamedTuple):
  """A batch of square images and the network it is for."""

  pixels: int
  batch: int
  patch: int  # Side of the patches of guidance in tokens.
  model: str
  stem: str

  @property
  def shape(self) -> tuple[int, int, int, int]:
    return self.batch, self.pixels, self.pixels, 3


class Row(NamedTuple):
  """One line of the results; times in milliseconds."""

  pixels: int
  batch: int
  mixer: str
  guidance: str
  median_ms: float
  lower_quartile_ms: float
  upper_quartile_ms: float
  percent_of_step: float


def settings_for(batch32: int, smoke: bool) -> list[Setting]:
  """CIFAR and ImageNet, the latter with a quarter of the batch."""
  if smoke:
    return [
        Setting(16, 2, 4, "resnet8", "cifar"),
        Setting(32, 2, 8, "resnet8", "imagenet"),
    ]
  return [
      Setting(32, batch32, 4, "resnet18", "cifar"),
      Setting(224, max(1, batch32 // 4), 16, "resnet18", "imagenet"),
  ]


def guidance_for(name: str, setting: Setting) -> dict[str, jax.Array]:
  """Random arrays for those options of a mixer that are guidance.

  Raises:
    ValueError: For an option without a default that is no known guidance.
  """
  side = setting.pixels // setting.patch
  shapes = {
      "saliency": setting.shape[:3],
      "cam": setting.shape[:3],
      "attention": (setting.batch, side**2),
      "features": (setting.batch, side, side, 64),
      "progress": (setting.batch,),
  }
  mixer = mixers.MIXERS[name]
  for option, parameter in inspect.signature(mixer).parameters.items():
    needed = parameter.kind is parameter.KEYWORD_ONLY
    if needed and parameter.default is parameter.empty and option not in shapes:
      raise ValueError(f"no guidance is known for option {option!r} of {name}")
  return {
      option: jax.random.uniform(jax.random.key(1), shape, minval=0.01)
      for option, shape in shapes.items()
      if option in mixers.options_of(mixer)
  }


def mixer_program(name: str, setting: Setting) -> Callable:
  """The compiled mixer as a function of the key."""
  # AlignMix mixes the last feature map, 1/8 (1/32) of 32 (224) px a side.
  side = max(setting.pixels // (32 if setting.pixels > 64 else 8), 2)
  maps = (setting.batch, side, side, 512)
  shape = maps if name == "alignmix" else setting.shape
  x = jax.random.uniform(jax.random.key(0), shape)
  guidance = guidance_for(name, setting)
  mix = lambda key, x, guidance: mixers.MIXERS[name](key, x, **guidance)
  compiled = jax.jit(mix).lower(jax.random.key(0), x, guidance).compile()
  return lambda key: compiled(key, x, guidance)


def step_program(setting: Setting) -> Callable:
  """A compiled step of training with SGD, without a mixer."""
  model = models.create(setting.model, num_classes=100, stem=setting.stem)
  optimizer = optax.sgd(0.1, momentum=0.9)
  x = jax.random.uniform(jax.random.key(0), setting.shape)
  labels = jnp.arange(2 * setting.batch).reshape(-1, 2) % 100
  weights = jnp.full(labels.shape, 0.5)

  def loss(params, stats, x):
    logits, stats = model.apply(
        {"params": params, **stats}, x, train=True, mutable=["batch_stats"]
    )
    each = losses.mixup_cross_entropy(logits, labels, weights)
    return jnp.mean(each), stats

  def step(state, x):
    params, stats, opt_state = state
    grads, stats = jax.grad(loss, has_aux=True)(params, stats, x)
    updates, opt_state = optimizer.update(grads, opt_state, params)
    return optax.apply_updates(params, updates), stats, opt_state

  stats = dict(jax.jit(lambda: model.init(jax.random.key(0), x, train=True))())
  params = stats.pop("params")
  state = [(params, stats, optimizer.init(params))]
  compiled = jax.jit(step, donate_argnums=0).lower(state[0], x).compile()

  def run(key):
    del key  # The step draws nothing; mixers do.
    state[0] = compiled(state[0], x)
    return state[0]

  return run


def measure(programs: dict, repeats: int) -> dict:
  """Seconds of each run of each program, interleaved, the first left out."""
  seconds = {name: [] for name in programs}
  order, rng = list(programs), random.Random(0)
  for repeat in tqdm.trange(repeats + 1, desc="measuring"):
    key = jax.block_until_ready(jax.random.key(repeat))
    rng.shuffle(order)
    for name in order:
      start = time.perf_counter()
      jax.block_until_ready(programs[name](key))
      seconds[name].append(time.perf_counter() - start)
  return {name: values[1:] for name, values in seconds.items()}


def cost_of_mixers(
    settings: Sequence[Setting], names: Sequence[str], repeats: int
) -> list[Row]:
  """Compiles and measures everything in one run."""
  cases = [(setting, name) for setting in settings for name in (STEP, *names)]
  programs = {
      (s, n): step_program(s) if n == STEP else mixer_program(n, s)
      for s, n in tqdm.tqdm(cases, desc="compiling")
  }
  seconds = measure(programs, repeats)
  return [_row(*case, seconds) for case in cases]


def _row(setting, name, seconds):
  milliseconds = 1e3 * np.asarray(seconds[setting, name])
  low, median, high = np.quantile(milliseconds, (0.25, 0.5, 0.75))
  step = 1e3 * np.median(seconds[setting, STEP])
  guidance = () if name == STEP else guidance_for(name, setting)
  return Row(
      setting.pixels, setting.batch, name, " ".join(guidance),
      *(round(float(v), 4) for v in (median, low, high, 100 * median / step)),
  )


def report(rows: Sequence[Row], command: str, how: str) -> str:
  """The page around the table."""
  return f"""# What mixing costs

    {command}

{how}

{markdown(rows)}

![Time of a mixer as a share of a training step](plot.png)
"""


def conditions(settings: Sequence[Setting], repeats: int) -> str:
  """On what and how the times were measured."""
  networks = " and ".join(
      f"{s.model} with the {s.stem} stem at {s.pixels} px" for s in settings
  )
  return textwrap.fill(
      f"Measured on {hardware()} with jax {jax.__version__}: median of"
      f" {repeats} runs of the compiled program. All programs, of both image"
      " sizes, take turns in random order within one process, and the first run"
      " of each is left out. Times include the launch of the program, which is"
      " most of the cheapest ones; within a training step mixers are compiled"
      " into it. Guidance is random and given: what it costs to compute is not"
      " in the table. The training step is forward, backward and update by SGD"
      f" of {networks}, in float32 and without a mixer.",
      width=80,
  )


def markdown(rows: Sequence[Row]) -> str:
  """The times as a table, the slowest first."""
  sizes = sorted({(row.pixels, row.batch) for row in rows})
  found = {(row.mixer, row.pixels): row for row in rows}
  names = list(dict.fromkeys(row.mixer for row in rows))
  names.sort(key=lambda name: -found[name, sizes[0][0]].median_ms)
  head = ["mixer", "guidance"] + [
      f"{batch} x {pixels} px: {unit}"
      for pixels, batch in sizes for unit in ("ms", "% of a step")
  ]
  rule = "|---|---|" + "--:|" * 2 * len(sizes)
  lines = ["| " + " | ".join(head) + " |", rule]
  for name in names:
    cells = [name, found[name, sizes[0][0]].guidance or "-"]
    for pixels, _ in sizes:
      row = found[name, pixels]
      cells += [f"{row.median_ms:.3g}", f"{row.percent_of_step:.3g}"]
    lines.append("| " + " | ".join(cells) + " |")
  return "\n".join(lines)


def hardware() -> str:
  """The device in words."""
  device = jax.devices()[0]
  if device.platform != "cpu":
    return f"one {device.device_kind}"
  info = pathlib.Path("/proc/cpuinfo")
  lines = info.read_text().splitlines() if info.exists() else []
  kinds = [l.split(":")[1] for l in lines if l.startswith("model name")]
  kind = kinds[0].strip() if kinds else platform.processor()
  return f"{os.cpu_count()} cores of a CPU ({kind})"


def plot(rows: Sequence[Row], path: pathlib.Path) -> None:
  """Bars of the share of a step, one colour per image size."""
  import matplotlib

  matplotlib.use("agg")
  import matplotlib.pyplot as plt

  rows = [row for row in rows if row.mixer != STEP]
  sizes = sorted({(row.pixels, row.batch) for row in rows})
  share = {(row.mixer, row.pixels): row.percent_of_step for row in rows}
  names = sorted({r.mixer for r in rows}, key=lambda n: share[n, sizes[0][0]])
  figure, axes = plt.subplots(figsize=(6, 1.2 + 0.32 * len(names)))
  height = 0.8 / len(sizes)
  for index, (pixels, batch) in enumerate(sizes):
    axes.barh(
        np.arange(len(names)) + height * index,
        [share[name, pixels] for name in names],
        height,
        label=f"{batch} images of {pixels} px",
    )
  axes.axvline(2, color="black", lw=0.8, ls="--", label="2 % of a step")
  axes.set(xscale="log", xlabel="time of the mixer, % of a training step")
  axes.set_yticks(np.arange(len(names)) + 0.4 - height / 2, names)
  axes.legend(loc="lower right")
  figure.savefig(path, dpi=120, bbox_inches="tight")
  plt.close(figure)


def main(argv: Sequence[str] | None = None) -> None:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument(
      "--batch32", type=int, default=128,
      help="images of 32 px in a batch; a quarter as many of 224 px",
  )
  parser.add_argument("--repeats", type=int, default=20)
  parser.add_argument("--out", type=pathlib.Path, default=OUT)
  parser.add_argument(
      "--smoke", action="store_true", help="tiny sizes and three mixers"
  )
  args = parser.parse_args(argv)
  if args.repeats < 1 or args.batch32 < 1:
    parser.error("--repeats and --batch32 must be >= 1")
  settings = settings_for(args.batch32, args.smoke)
  names = SMOKE_MIXERS if args.smoke else sorted(mixers.MIXERS)
  rows = cost_of_mixers(settings, names, args.repeats)
  args.out.mkdir(parents=True, exist_ok=True)
  with open(args.out / "results.csv", "w", newline="") as file:
    csv.writer(file).writerows([Row._fields, *rows])
  flags = ["--batch32", str(args.batch32), "--repeats", str(args.repeats)]
  flags += ["--smoke"] * args.smoke
  command = shlex.join(["python", "-m", "experiments.mixer_cost", *flags])
  text = report(rows, command, conditions(settings, args.repeats))
  (args.out / "README.md").write_text(text)
  plot(rows, args.out / "plot.png")


if __name__ == "__main__":
  main()

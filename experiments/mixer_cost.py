"""What every mixer costs, alone and as a share of a training step.

    python -m experiments.mixer_cost

writes `results.csv`, `README.md` and `plot.png` into `--out`.
"""

import argparse
from collections.abc import Callable, Sequence
import pathlib
import shlex
import textwrap
from typing import NamedTuple

import jax
from matplotlib import pyplot as plt
import numpy as np
import tqdm

from dmjax import mixers
from dmjax import recipes
from experiments import tables
from experiments import timing

STEP = "training step"
OUT = pathlib.Path(__file__).parent / "mixer_cost"
SMOKE_MIXERS = ("identity", "transmix")


class Setting(NamedTuple):
  """A batch of square images and the recipe it is for."""

  pixels: int
  batch: int
  patch: int  # Side of the patches of guidance in tokens.
  recipe: str

  @property
  def shape(self) -> tuple[int, int, int, int]:
    """Of the batch, `[B, H, W, 3]`."""
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
    return [Setting(16, 4, 4, "cifar100:resnet18,smoke")]
  return [
      Setting(32, batch32, 4, "cifar100:resnet18"),
      Setting(224, max(1, batch32 // 4), 16, "imagenet:resnet18,100ep"),
  ]


def guidance_for(name: str, setting: Setting) -> dict[str, jax.Array]:
  """Random arrays for all that a mixer needs to be given."""
  side = setting.pixels // setting.patch
  shapes = {
      "saliency": setting.shape[:3],
      "cam": setting.shape[:3],
      "attention": (setting.batch, side**2),
      "attentions": (setting.batch, 12, 1 + side**2, 1 + side**2),
      "features": (setting.batch, side, side, 64),
      "progress": (setting.batch,),
  }
  needs = mixers.guidance_of(mixers.MIXERS[name])
  return {
      option: jax.random.uniform(jax.random.key(1), shapes[option], minval=0.01)
      for option in sorted(needs.before | needs.after)
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
  """A compiled step of training in float32, without a mixer."""
  config = recipes.load(setting.recipe)
  config.update(batch_size=setting.batch)
  config.model.dtype = "float32"
  # The images have their size.
  config.data.update(image_size=0, pipeline="resident", crop_scale=())
  run = timing.run_without_data(config, setting.pixels)
  return timing.step_program(run)[0]


def cost_of_mixers(
    settings: Sequence[Setting], names: Sequence[str], repeats: int
) -> list[Row]:
  """Compiles and measures everything in one run."""
  cases = [(setting, name) for setting in settings for name in (STEP, *names)]
  programs = {
      (s, n): step_program(s) if n == STEP else mixer_program(n, s)
      for s, n in tqdm.tqdm(cases, desc="compiling")
  }
  seconds = timing.in_turns(programs, repeats)
  return [_row(*case, seconds) for case in cases]


def _row(setting, name, seconds):
  milliseconds = 1e3 * seconds[setting, name]
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
  steps = " and ".join(f"{s.recipe} at {s.pixels} px" for s in settings)
  return textwrap.fill(
      f"Measured on {timing.hardware()} with jax {jax.__version__}: median of"
      f" {repeats} runs of the compiled program. All programs, of both image"
      " sizes, take turns in random order within one process, and the first run"
      " of each is left out. Times include the launch of the program, which is"
      " most of the cheapest ones; within a training step mixers are compiled"
      " into it. Guidance is random and given: what it costs to compute is not"
      " in the table. The training step is forward, backward and update of"
      f" {steps}, in float32 and without a mixer.",
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
  lines = []
  for name in names:
    cells = [name, found[name, sizes[0][0]].guidance or "-"]
    for pixels, _ in sizes:
      row = found[name, pixels]
      cells += [f"{row.median_ms:.3g}", f"{row.percent_of_step:.3g}"]
    lines.append(cells)
  return tables.markdown(head, lines, names=2)


def plot(rows: Sequence[Row], path: pathlib.Path) -> None:
  """Bars of the share of a step, one colour per image size."""
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


def main(arguments: Sequence[str] | None = None) -> None:
  """Measures and writes."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument(
      "--batch32", type=int, default=128,
      help="images of 32 px in a batch; a quarter as many of 224 px",
  )
  parser.add_argument("--repeats", type=int, default=20)
  parser.add_argument("--out", type=pathlib.Path, default=OUT)
  parser.add_argument(
      "--smoke", action="store_true", help="one tiny size, two mixers"
  )
  args = parser.parse_args(arguments)
  if args.repeats < 1 or args.batch32 < 1:
    parser.error("--repeats and --batch32 must be >= 1")
  settings = settings_for(args.batch32, args.smoke)
  names = SMOKE_MIXERS if args.smoke else sorted(mixers.MIXERS)
  rows = cost_of_mixers(settings, names, args.repeats)
  args.out.mkdir(parents=True, exist_ok=True)
  results = [row._asdict() for row in rows]
  tables.write(args.out / "results.csv", results, Row._fields)
  flags = ["--batch32", str(args.batch32), "--repeats", str(args.repeats)]
  flags += ["--smoke"] * args.smoke
  command = shlex.join(["python", "-m", "experiments.mixer_cost", *flags])
  text = report(rows, command, conditions(settings, args.repeats))
  (args.out / "README.md").write_text(text)
  plot(rows, args.out / "plot.png")


if __name__ == "__main__":
  main()

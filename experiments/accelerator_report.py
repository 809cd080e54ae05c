"""The page and the picture of `experiments.accelerator`."""

from collections.abc import Mapping, Sequence
import pathlib

import jax
from matplotlib import pyplot as plt

from experiments import tables
from experiments import timing

COLUMNS = (
    "part", "step", "library", "pixels", "batch", "dtype", "ms",
    "images_per_second", "gflop", "mib", "compile_s",
)

Rows = Sequence[Mapping[str, str]]


def page(rows: Rows, ceiling: float, repeats: int) -> str:
  """The tables of the parts that were measured.

  Args:
    rows: Of the results.
    ceiling: TFLOP/s of the matrix product.
    repeats: How often each step was timed.

  Returns:
    Markdown.
  """
  parts = {"networks": _networks, "costs": _costs, "calls": _calls}
  texts = [
      text(of_part, ceiling)
      for part, text in parts.items()
      if (of_part := [row for row in rows if row["part"] == part])
  ]
  return f"""# One accelerator

    python -m experiments.accelerator --repeats {repeats}

{timing.hardware()}, jax {jax.__version__}; medians of {repeats} steps, those of a table
taking turns in random order. Steps are those of the training loop, with views,
optimizer and update of the running statistics, on images of noise.

A product of two bfloat16 matrices reaches **{ceiling:.1f}** TFLOP/s.

{chr(10).join(texts)}
![what is added to a step](plot.png)
"""


def _networks(rows, ceiling):
  lines = []
  for row in rows:
    share = "-"
    if row["gflop"]:
      rate = float(row["gflop"]) / float(row["ms"])  # GFLOP/ms is TFLOP/s.
      share = f"{100 * rate / ceiling:.0f}"
    lines.append((
        row["step"], row["library"], row["pixels"], row["batch"],
        f"{float(row['ms']):.1f}", row["images_per_second"], share, row["mib"],
        row["compile_s"],
    ))
  head = ("network", "library", "px", "batch", "ms", "images/s",
          "% of the product", "MiB", "compiling, s")
  note = (
      "Operations are those of the program before the compiler changes it."
      " Memory is what the compiler plans, of timm the most that was allocated;"
      " timm's step has neither views nor running averages."
  )
  return f"## Networks\n\n{tables.markdown(head, lines, names=2)}\n\n{note}\n"


def _costs(rows, ceiling):
  del ceiling
  plain = float(rows[0]["ms"])
  lines = [
      (row["step"], f"{float(row['ms']):.2f}",
       f"{100 * (float(row['ms']) / plain - 1):+.1f}", row["mib"])
      for row in rows
  ]
  head = ("ResNet-18 with", "ms", "added, %", "MiB")
  return f"## What is added to a step\n\n{tables.markdown(head, lines)}\n"


def _calls(rows, ceiling):
  del ceiling
  lines = [
      (row["step"], row["batch"], f"{float(row['ms']):.2f}",
       row["images_per_second"])
      for row in rows
  ]
  head = ("steps", "batch", "ms a step", "images/s")
  return f"## Steps in one call\n\n{tables.markdown(head, lines)}\n"


def plot(rows: Rows, path: pathlib.Path) -> None:
  """Bars of what is added to a step, in percent of it."""
  costs = [row for row in rows if row["part"] == "costs"]
  if not costs:
    return
  plain = float(costs[0]["ms"])
  added = [100 * (float(row["ms"]) / plain - 1) for row in costs[1:]]
  figure, axes = plt.subplots(figsize=(6.5, 1.2 + 0.3 * len(added)))
  bars = axes.barh([row["step"] for row in costs[1:]], added)
  axes.bar_label(bars, [f"{value:+.1f} %" for value in added], padding=3)
  axes.invert_yaxis()
  axes.set(xlabel="added to a step of ResNet-18, %")
  axes.margins(x=0.15)
  axes.grid(alpha=0.3, axis="x")
  figure.savefig(path, dpi=120, bbox_inches="tight")
  plt.close(figure)

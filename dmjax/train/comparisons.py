"""Pictures that compare: every mixer, and masks for several lambdas."""

from collections.abc import Mapping, Sequence
import pathlib

from matplotlib import figure as figure_lib
import numpy as np

from dmjax import mixers
from dmjax.train import drawing


def zoo(
    images: np.ndarray,
    names: Sequence[str],
    mixed: Mapping[str, mixers.Mixed],
    path: pathlib.Path,
) -> None:
  """Every mixer on the same pairs: a row per mixer, in two panels.

  Args:
    images: `[2 n, H, W, C]` in [0, 1]; image i is paired with image i + n.
    names: What each image shows.
    mixed: Batches by the name of the mixer.
    path: The picture.
  """
  pairs, rows = len(images) // 2, -(-len(mixed) // 2) + 2
  size = (1.25 * (2 * pairs + 1), 1.42 * rows)
  figure = figure_lib.Figure(figsize=size)
  grid = figure.subplots(
      rows, 2 * pairs + 1, width_ratios=[1] * pairs + [0.75] + [1] * pairs
  )
  for axes in grid.flat:
    axes.set_axis_off()
  for panel in (0, 1):
    start = panel * (pairs + 1)
    for column in range(pairs):
      drawing.show(grid[0, start + column], images[column], names[column])
      second = column + pairs
      drawing.show(grid[1, start + column], images[second], names[second])
    part = list(mixed.items())[panel * (rows - 2) : (panel + 1) * (rows - 2)]
    for row, (name, batch) in enumerate(part, 2):
      _zoo_row(grid[row, start : start + pairs], name, batch, names)
  figure.subplots_adjust(0.08, 0.012, 0.995, 0.98, wspace=0.08, hspace=0.2)
  figure.savefig(path, dpi=100)


def _zoo_row(row, name, batch, names):
  for column, axes in enumerate(row):
    shares = {}
    for source, weight in zip(batch.sources[column], batch.weights[column]):
      what = names[int(source)]
      shares[what] = shares.get(what, 0.0) + float(weight)
    title = " ".join(f"{what} {w:.2f}".replace(" 0.", " .")
                     for what, w in shares.items() if w > 0.005)
    drawing.show(axes, batch.x[column])
    axes.text(0.5, -0.03, title, fontsize=6, ha="center", va="top",
              transform=axes.transAxes)
  row[0].text(-0.06, 0.5, name, fontsize=8, rotation=90, ha="right",
              va="center", transform=row[0].transAxes)


def masks(
    images: np.ndarray,
    mixed: Sequence[mixers.Mixed],
    lambdas: Sequence[float],
    path: pathlib.Path,
) -> None:
  """Per pair a row: the two images, then mask and mix for every lambda.

  Args:
    images: `[B, H, W, C]` in [0, 1].
    mixed: Per lambda, of these images.
    lambdas: The shares that were asked for, of the first image.
    path: The picture.
  """
  columns = 2 + 2 * len(lambdas)
  figure = figure_lib.Figure(figsize=(columns, 1.25 * len(images)))
  grid = figure.subplots(len(images), columns, squeeze=False)
  for row, axes in enumerate(grid):
    partner = np.asarray(mixed[0].sources)[row, 1]
    drawing.show(axes[0], images[row], "first")
    drawing.show(axes[1], images[partner], "second")
    for i, (lam, each) in enumerate(zip(lambdas, mixed)):
      share = np.asarray(each.weights)[row, 0]
      mask = axes[2 + 2 * i].imshow(
          np.asarray(each.mask)[row, ..., 0], vmin=0, vmax=1, cmap="viridis"
      )
      axes[2 + 2 * i].set_title(
          f"λ {lam:.1f}: {share:.2f}", fontsize=8, pad=3
      )
      axes[2 + 2 * i].set_axis_off()
      drawing.show(axes[3 + 2 * i], each.x[row], "mixed")
  figure.subplots_adjust(
      left=0.01, right=0.93, bottom=0.02, top=0.95, wspace=0.08, hspace=0.25
  )
  colours = figure.add_axes((0.945, 0.1, 0.012, 0.8))
  figure.colorbar(mask, cax=colours, label="share of the first image")
  figure.savefig(path, dpi=110)

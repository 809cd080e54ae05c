"""Pictures of a run: its curves, and the batches it trains on."""

from collections.abc import Mapping, Sequence
import pathlib
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("agg")

from matplotlib import pyplot as plt  # pylint: disable=wrong-import-position

from dmjax import mixers  # pylint: disable=wrong-import-position


def curves(rows: Sequence[Mapping[str, float]], path: pathlib.Path) -> None:
  """Loss and test accuracies against the step.

  Args:
    rows: Rows of `metrics.jsonl`.
    path: The picture.
  """
  figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2))
  for axes, keys in (
      (left, {"train/loss": "training, mixed", "test/nll": "test, clean"}),
      (right, {"test/top1": "clean top-1", "test/mixed_top1": "mixed top-1",
               "test/mixed_top2": "mixed top-2"}),
  ):
    for key, label in keys.items():
      points = [(row["step"], row[key]) for row in rows if key in row]
      if points:
        axes.plot(*zip(*points), marker=".", label=label)
    axes.set_xlabel("step")
    axes.grid(alpha=0.3)
    if axes.lines:
      axes.legend(frameon=False)
  left.set_ylabel("loss")
  right.set_ylabel("accuracy")
  figure.tight_layout()
  figure.savefig(path, dpi=120)
  plt.close(figure)


def mixed_batch(
    images: np.ndarray,
    labels: np.ndarray,
    mixed: mixers.Mixed,
    class_names: Sequence[str],
    path: pathlib.Path,
) -> None:
  """Pairs of images in columns: the first, the second, their mix.

  Args:
    images: `[B, H, W, C]` in [0, 1].
    labels: `int[B]`.
    mixed: Of these images.
    class_names: Names of the classes.
    path: The picture.
  """
  columns = min(len(images), 8)
  figure, grid = plt.subplots(
      3, columns, figsize=(1.5 * columns, 5.2), squeeze=False
  )
  partner = np.asarray(mixed.sources[:, 1])
  weights = np.asarray(mixed.weights)
  name = lambda row: str(class_names[labels[row]])[:12]
  for i in range(columns):
    _show(grid[0, i], images[i], name(i))
    _show(grid[1, i], images[partner[i]], name(partner[i]))
    share = f"{weights[i, 0]:.2f} {name(i)}\n{weights[i, 1]:.2f} {name(partner[i])}"
    _show(grid[2, i], mixed.x[i], share)
  figure.tight_layout()
  figure.savefig(path, dpi=110)
  plt.close(figure)


def images(pixels: np.ndarray, path: pathlib.Path) -> None:
  """Images in rows of eight.

  Args:
    pixels: `[B, H, W, C]` in [0, 1].
    path: The picture.
  """
  rows = -(-len(pixels) // 8)
  figure, grid = plt.subplots(
      rows, min(len(pixels), 8), figsize=(9, 1.2 * rows), squeeze=False
  )
  for axes in grid.flat:
    axes.set_axis_off()
  for axes, image in zip(grid.flat, pixels):
    _show(axes, image, "")
  figure.tight_layout()
  figure.savefig(path, dpi=110)
  plt.close(figure)


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
  figure, grid = plt.subplots(
      rows, 2 * pairs + 1, figsize=(1.25 * (2 * pairs + 1), 1.42 * rows),
      width_ratios=[1] * pairs + [0.75] + [1] * pairs,
  )
  for axes in grid.flat:
    axes.set_axis_off()
  for panel in (0, 1):
    start = panel * (pairs + 1)
    for column in range(pairs):
      _show(grid[0, start + column], images[column], names[column])
      second = column + pairs
      _show(grid[1, start + column], images[second], names[second])
    part = list(mixed.items())[panel * (rows - 2) : (panel + 1) * (rows - 2)]
    for row, (name, batch) in enumerate(part, 2):
      _zoo_row(grid[row, start : start + pairs], name, batch, names)
  figure.subplots_adjust(0.08, 0.012, 0.995, 0.98, wspace=0.08, hspace=0.2)
  figure.savefig(path, dpi=100)
  plt.close(figure)


def _zoo_row(row, name, batch, names):
  for column, axes in enumerate(row):
    shares = {}
    for source, weight in zip(batch.sources[column], batch.weights[column]):
      what = names[int(source)]
      shares[what] = shares.get(what, 0.0) + float(weight)
    title = " ".join(f"{what} {w:.2f}".replace(" 0.", " .")
                     for what, w in shares.items() if w > 0.005)
    _show(axes, batch.x[column], "")
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
  figure, grid = plt.subplots(
      len(images), columns, figsize=(columns, 1.25 * len(images)), squeeze=False
  )
  for row, axes in enumerate(grid):
    partner = np.asarray(mixed[0].sources)[row, 1]
    _show(axes[0], images[row], "first")
    _show(axes[1], images[partner], "second")
    for i, (lam, each) in enumerate(zip(lambdas, mixed)):
      share = np.asarray(each.weights)[row, 0]
      mask = axes[2 + 2 * i].imshow(
          np.asarray(each.mask)[row, ..., 0], vmin=0, vmax=1, cmap="viridis"
      )
      axes[2 + 2 * i].set_title(f"λ {lam:.1f}: {share:.2f}", fontsize=8)
      axes[2 + 2 * i].set_axis_off()
      _show(axes[3 + 2 * i], each.x[row], "mixed")
  figure.subplots_adjust(
      left=0.01, right=0.93, bottom=0.02, top=0.95, wspace=0.08, hspace=0.25
  )
  colours = figure.add_axes((0.945, 0.1, 0.012, 0.8))
  figure.colorbar(mask, cax=colours, label="share of the first image")
  figure.savefig(path, dpi=110)
  plt.close(figure)


def _show(axes: Any, image: np.ndarray, title: str) -> None:
  pixels = np.clip(np.asarray(image, np.float32), 0, 1)
  if pixels.shape[-1] == 1:
    axes.imshow(pixels[..., 0], cmap="gray_r", vmin=0, vmax=1)
  else:
    axes.imshow(pixels)
  axes.set_title(title, fontsize=8)
  axes.set_axis_off()

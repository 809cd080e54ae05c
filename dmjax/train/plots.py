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
    images: `uint8[B, H, W, C]`, before normalisation.
    labels: `int[B]`.
    mixed: Of float images in [0, 1].
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
    _show(grid[2, i], np.asarray(mixed.x[i], np.float32) * 255, share)
  figure.tight_layout()
  figure.savefig(path, dpi=110)
  plt.close(figure)


def images(pixels: np.ndarray, path: pathlib.Path) -> None:
  """Images in rows of eight.

  Args:
    pixels: `[B, H, W, C]`, from 0 to 255.
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


def _show(axes: Any, image: np.ndarray, title: str) -> None:
  pixels = np.clip(np.asarray(image, np.float32) / 255, 0, 1)
  if pixels.shape[-1] == 1:
    axes.imshow(pixels[..., 0], cmap="gray_r", vmin=0, vmax=1)
  else:
    axes.imshow(pixels)
  axes.set_title(title, fontsize=8)
  axes.set_axis_off()

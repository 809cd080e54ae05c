"""Pictures that compare: every mixer, and masks for several lambdas."""

from collections.abc import Mapping, Sequence
import pathlib

from matplotlib import figure as figure_lib
import numpy as np

from dmjax import mixers
from dmjax.train import drawing

_COLUMNS = 7


def zoo(
    images: np.ndarray,
    names: Sequence[str],
    mixed: Mapping[str, mixers.Mixed],
    path: pathlib.Path,
) -> None:
  """Every mixer on the same pair of images, a tile each.

  Args:
    images: `[2 n, H, W, C]` in [0, 1]; image 0 is paired with image n.
    names: What each image shows.
    mixed: Batches by the name of the mixer, of which the first row is drawn.
    path: The picture.
  """
  second = len(images) // 2
  tiles = [
      ("image", images[0], names[0]), ("partner", images[second], names[second])
  ]
  tiles += [
      (name, batch.x[0], _shares(batch, names)) for name, batch in mixed.items()
  ]
  rows = -(-len(tiles) // _COLUMNS)
  figure = figure_lib.Figure(figsize=(1.85 * _COLUMNS, 2.25 * rows))
  grid = figure.subplots(rows, _COLUMNS, squeeze=False)
  for axes in grid.flat:
    axes.set_axis_off()
  for axes, (title, image, caption) in zip(grid.flat, tiles):
    drawing.show(axes, image)
    axes.set_title(title, fontsize=10, pad=4)
    axes.text(0.5, -0.03, caption, fontsize=9, ha="center", va="top",
              transform=axes.transAxes)
  figure.subplots_adjust(0.005, 0.04, 0.995, 0.955, wspace=0.05, hspace=0.27)
  figure.savefig(path, dpi=100)


def _shares(batch, names):
  """`temple 55 %, flower 45 %` of the first row."""
  shares = {}
  for source, weight in zip(batch.sources[0], batch.weights[0]):
    what = names[int(source)]
    shares[what] = shares.get(what, 0.0) + float(weight)
  return ", ".join(f"{k} {v:.0%}" for k, v in shares.items() if v > 0.005)


def masks(
    images: np.ndarray,
    mixed: Sequence[mixers.Mixed],
    lambdas: Sequence[float],
    path: pathlib.Path,
) -> None:
  """Per row the images that are mixed, then mask and mix for every lambda.

  Args:
    images: `[B, H, W, C]` in [0, 1].
    mixed: Per lambda, of these images, all with the same sources.
    lambdas: The shares that were asked for, of the first image.
    path: The picture.
  """
  sources = np.asarray(mixed[0].sources)
  count = sources.shape[1]
  columns = count + 2 * len(lambdas)
  figure = figure_lib.Figure(figsize=(columns, 1.25 * len(images)))
  grid = figure.subplots(len(images), columns, squeeze=False)
  for row, axes in enumerate(grid):
    for k, source in enumerate(sources[row]):
      drawing.show(axes[k], images[source], _ordinal(k))
    for i, (lam, each) in enumerate(zip(lambdas, mixed)):
      share = np.asarray(each.weights)[row, 0]
      mask = axes[count + 2 * i].imshow(
          np.asarray(each.mask)[row, ..., 0], vmin=0, vmax=1, cmap="viridis"
      )
      axes[count + 2 * i].set_title(
          f"λ {lam:.1f}: {share:.2f}", fontsize=8, pad=3
      )
      axes[count + 2 * i].set_axis_off()
      drawing.show(axes[count + 1 + 2 * i], each.x[row], "mixed")
  figure.subplots_adjust(
      left=0.01, right=0.93, bottom=0.02, top=0.95, wspace=0.08, hspace=0.25
  )
  colours = figure.add_axes((0.945, 0.1, 0.012, 0.8))
  figure.colorbar(mask, cax=colours, label="share of the first image")
  figure.savefig(path, dpi=110)


def _ordinal(k):
  named = ("first", "second", "third")
  return named[k] if k < len(named) else f"number {k + 1}"

"""Pictures of batches: as they are augmented, mixed, and by every mixer."""

from collections.abc import Mapping, Sequence
import pathlib
from typing import Any

from matplotlib import figure as figure_lib
import numpy as np

from dmjax import mixers

_MOST_PARTNERS = 3
_LONGEST_NAME = 12  # With a weight as wide as an image.


def name_of(class_names: Sequence[str], label: int) -> str:
  """The name of a class, short; `class 3` where it is a number."""
  name = str(class_names[label])
  if name.isdigit():
    return f"class {name}"
  if len(name) > _LONGEST_NAME:
    return name[: _LONGEST_NAME - 1] + "…"
  return name


def caption(names: Sequence[str], weights: Sequence[float]) -> str:
  """A line per source, such as `class 3: 70 %`.

  Args:
    names: Of the classes of the sources, the row itself first.
    weights: Of the sources. A source of weight 0 has no line, but for the row.

  Returns:
    The lines.
  """
  return "\n".join(
      f"{name}: {_percent(weight)}"
      for i, (name, weight) in enumerate(zip(names, weights, strict=True))
      if weight > 0 or i == 0
  )


def _percent(weight):
  return "<1 %" if 0 < weight < 0.005 else f"{100 * weight:.0f} %"


def mixed_batch(
    images: np.ndarray,
    labels: np.ndarray,
    mixed: mixers.Mixed,
    class_names: Sequence[str],
    path: pathlib.Path,
    *,
    stages: Sequence[int] | None = None,
    title: str = "",
    note: str = "",
) -> None:
  """A column per mixed image: the image, its partners, and their mix.

  Args:
    images: `[B, H, W, C]` in [0, 1].
    labels: `int[B]`.
    mixed: Some rows that were mixed of these images.
    class_names: Names of the classes.
    path: The picture.
    stages: Of the network, where each row is mixed: 0 for the input. The mix is
      drawn in any case as the network is given it.
    title: Above the picture.
    note: Below it.
  """
  sources, weights = _heaviest_first(mixed)
  most = (weights[:, 1:] > 0).sum(axis=1).max(initial=1)
  if most > _MOST_PARTNERS:
    note += f"\nOf more partners the {_MOST_PARTNERS} heaviest are drawn."
  rows = ["example", *_partner_names(min(most, _MOST_PARTNERS)), "mixed"]
  names = [[name_of(class_names, labels[s]) for s in row] for row in sources]
  captions = [
      _where(stage) + caption(*column)
      for stage, *column in zip(
          np.zeros(len(names)) if stages is None else stages, names, weights
      )
  ]
  figure, grid = _grid(
      len(rows), len(sources), title, note, captions, shape=images.shape[1:3]
  )
  for row, label in enumerate(rows):
    grid[row, 0].set_ylabel(label, fontsize=9)
  for i, column in enumerate(grid.T):
    for k, axes in enumerate(column[:-1]):
      if k == 0 or (k < weights.shape[1] and weights[i, k] > 0):
        show(axes, images[sources[i, k]], names[i][k])
    show(column[-1], mixed.x[i])
  figure.savefig(path, dpi=150)


def _where(stage):
  return f"after stage {stage}:\n" if stage else ""


def _heaviest_first(mixed):
  """Sources and weights, the row itself first, its partners by their weight."""
  weights = np.asarray(mixed.weights, np.float64)
  order = np.argsort(-weights[:, 1:], axis=1, kind="stable") + 1
  order = np.pad(order, ((0, 0), (1, 0)))
  take = lambda x: np.take_along_axis(np.asarray(x), order, axis=1)
  return take(mixed.sources), take(weights)


def _partner_names(count):
  if count == 1:
    return ["partner"]
  return [f"partner {k}" for k in range(1, count + 1)]


def images(
    pixels: np.ndarray,
    path: pathlib.Path,
    *,
    names: Sequence[str] = (),
    title: str = "",
) -> None:
  """Images in rows of eight.

  Args:
    pixels: `[B, H, W, C]` in [0, 1].
    path: The picture.
    names: What each shows.
    title: Above the picture.
  """
  columns = min(len(pixels), 8)
  figure, grid = _grid(
      -(-len(pixels) // columns), columns, title, shape=pixels.shape[1:3]
  )
  names = names or [""] * len(pixels)
  for axes, image, name in zip(grid.flat, pixels, names):
    show(axes, image, name)
  figure.savefig(path, dpi=150)


def views(
    rows: Mapping[str, np.ndarray],
    path: pathlib.Path,
    *,
    names: Sequence[str],
    title: str = "",
) -> None:
  """A row for each view of several streams.

  Args:
    rows: `[B, H, W, C]` in [0, 1] by what they are, the labelled ones first.
    path: The picture.
    names: What the labelled images show, one for each column.
    title: Above the picture.
  """
  figure, grid = _grid(len(rows), len(names), title)
  for place, (label, pixels) in zip(grid, rows.items()):
    place[0].set_ylabel(label.replace(" ", "\n"), fontsize=8)
    for column, (axes, image) in enumerate(zip(place, pixels)):
      show(axes, image, names[column] if label == next(iter(rows)) else "")
  figure.savefig(path, dpi=150)


def _grid(rows, columns, title, note="", captions=("",), shape=(1, 1)):
  """Empty places for images, eight of which fill the width of a page."""
  lines = note.count("\n") + max(text.count("\n") for text in captions)
  high = 0.17 + 1.15 * min(shape[0] / shape[1], 3)
  size = (max(1.15 * columns + 0.4, 5), high * rows + 0.14 * lines + 0.7)
  figure = figure_lib.Figure(figsize=size, layout="constrained")
  figure.get_layout_engine().set(hspace=0, h_pad=0.03)
  grid = figure.subplots(rows, columns, squeeze=False)
  for axes in grid.flat:
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
  for axes, text in zip(grid[-1], captions):
    axes.set_xlabel(text, fontsize=7.5)
  figure.suptitle(title, fontsize=10)
  figure.supxlabel(note.strip(), fontsize=8)
  return figure, grid


def show(axes: Any, image: np.ndarray, title: str = "") -> None:
  """Draws an image `[H, W, C]` in [0, 1], C 1 or 3, in a thin frame."""
  pixels = np.clip(np.asarray(image, np.float32), 0, 1)
  if pixels.shape[-1] == 1:
    axes.imshow(pixels[..., 0], cmap="gray_r", vmin=0, vmax=1)
  else:
    axes.imshow(pixels)
  axes.set(xticks=[], yticks=[])
  axes.set_title(title, fontsize=8, pad=3)
  axes.spines[:].set(visible=True, color="0.8", linewidth=0.6)

"""Pictures of batches that are no pictures: points in a plane."""

from collections.abc import Sequence
import pathlib

from matplotlib import figure as figure_lib
import numpy as np

from dmjax import mixers
from dmjax.train import drawing

_CLASSES = 10  # As many have a colour of their own.


def project(points: np.ndarray) -> np.ndarray:
  """The first two principal components of points `[B, D]`, `[B, 2]`."""
  centred = points - points.mean(axis=0)
  _, _, axes = np.linalg.svd(centred, full_matrices=False)
  plane = centred @ axes[:2].T
  return np.pad(plane, ((0, 0), (0, 2 - plane.shape[1])))


def mixed_batch(
    points: np.ndarray,
    labels: np.ndarray,
    mixed: mixers.Mixed | None,
    class_names: Sequence[str],
    path: pathlib.Path,
    *,
    title: str = "",
    note: str = "",
) -> None:
  """Points by class, and some mixed ones on the lines between their sources.

  Args:
    points: `[B, D]`; drawn are their first two principal components.
    labels: `int[B]`.
    mixed: Some rows that were mixed of these points, of which the sources and
      weights are read; None to draw the points alone.
    class_names: Names of the classes.
    path: The picture.
    title: Above the picture.
    note: Below it.
  """
  figure = figure_lib.Figure(figsize=(6.4, 4.6), layout="constrained")
  axes, plane = figure.subplots(), project(points)
  for label in np.unique(labels):
    where = labels == label
    axes.scatter(
        *plane[where].T, s=14, color=f"C{label % _CLASSES}", alpha=0.45,
        linewidths=0, label=drawing.name_of(class_names, label),
    )
  for sources, weights in zip(mixed.sources, mixed.weights) if mixed else ():
    _draw_mix(axes, plane[sources], weights, labels[sources])
  axes.set(xlabel="first principal component", ylabel="second")
  axes.spines[["top", "right"]].set_visible(False)
  if mixed:
    axes.scatter([], [], s=36, marker="D", color="black", label="mixed")
  figure.legend(loc="outside right upper", fontsize=8, frameon=False)
  figure.suptitle(title, fontsize=10)
  figure.supxlabel(note.strip(), fontsize=8)
  figure.savefig(path, dpi=150)


def _draw_mix(axes, ends, weights, labels):
  """A diamond between two rings, each line as wide as its share."""
  middle = weights @ ends / weights.sum()
  for end, weight, label in zip(ends, weights, labels):
    colour = f"C{label % _CLASSES}"
    axes.plot(*np.stack([end, middle]).T, color=colour, lw=0.4 + 2.6 * weight)
    axes.scatter(*end, s=42, facecolors="none", edgecolors=colour, zorder=3)
  axes.scatter(*middle, s=36, marker="D", color="black", zorder=4)
  axes.annotate(
      f"{weights[0]:.0%}", middle, xytext=(5, 4), textcoords="offset points",
      fontsize=7,
  )

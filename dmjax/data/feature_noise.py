"""Feature-noise data: what is common, what is rare, and noise, in patches.

The data model of the theory of what mixup learns (arXiv 2303.08433), in our own
sizes. A row is four patches in random order: one holds a feature of its class,
which is the common one in nine rows of ten and the rare one in the tenth; one
holds a faint common feature of either class; two hold noise alone. The noise of
a row is longer than its feature, so a row can be told by what no other has.
"""

from typing import NamedTuple

import numpy as np

from dmjax.data import base

PATCHES, SIZE = 4, 256
# Share of the rows with a rare feature, deviation of every coordinate of the
# noise, and length of a faint feature; that of the others is 1.
_RARE, _NOISE, _FAINT = 0.1, 0.25, 0.3


class Rows(NamedTuple):
  """Rows that were drawn.

  Attributes:
    x: `float32[N, PATCHES * SIZE]`.
    label: `int64[N]`, 0 or 1, in turns.
    rare: `bool[N]`, whether the feature is the rare one.
  """

  x: np.ndarray
  label: np.ndarray
  rare: np.ndarray


def features() -> np.ndarray:
  """The features `[4, SIZE]`, orthonormal: common of 0 and 1, rare ones."""
  noise = np.random.default_rng(0).normal(size=(SIZE, 4))
  return np.linalg.qr(noise)[0].T


def draw(count: int, seed: int, rare: float = _RARE) -> Rows:
  """Draws rows.

  Args:
    count: How many.
    seed: Of the noise, the faint features and the order of the patches.
    rare: The share of rows with a rare feature, in both classes.

  Returns:
    The rows.
  """
  rng = np.random.default_rng(seed)
  pair, label = np.divmod(np.arange(count), 2)
  is_rare = np.floor((pair + 1) * rare) > np.floor(pair * rare)
  x = _NOISE * rng.normal(size=(count, PATCHES, SIZE))
  x[:, 0] = features()[label + 2 * is_rare]
  x[:, 1] = _FAINT * features()[rng.integers(2, size=count)]
  order = rng.permuted(np.tile(np.arange(PATCHES), (count, 1)), axis=1)
  x = np.take_along_axis(x, order[..., None], axis=1)
  return Rows(x.reshape(count, -1).astype(np.float32), label, is_rare)


def source_of(rows: Rows) -> base.Source:
  """The rows as a source, of tables that are not standardised."""
  labels = [int(label) for label in rows.label]
  return base.Source(
      lambda index: {"x": rows.x[int(index)], "label": labels[int(index)]},
      len(labels), ("0", "1"), kind="table",
      label=lambda index: labels[int(index)], mean=(), std=(),
  )


# Of each split: number of rows, and the share of rare ones.
_SPLITS = {
    "train": (400, _RARE), "test": (2000, _RARE),
    "test_common": (1000, 0.0), "test_rare": (1000, 1.0),
}


def open_drawn(split: str) -> base.Source:
  """A split, drawn anew, the same every time.

  Args:
    split: `train`, `test`, or `test_common` and `test_rare`, where no row and
      where every row has a rare feature.

  Returns:
    The source.

  Raises:
    ValueError: For another split.
  """
  if split not in _SPLITS:
    raise ValueError(
        f"dataset 'feature_noise' has no split {split!r}; it has"
        f" {', '.join(_SPLITS)}"
    )
  count, rare = _SPLITS[split]
  return source_of(draw(count, list(_SPLITS).index(split), rare))

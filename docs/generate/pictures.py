"""The picture of a mixer in the gallery."""

import pathlib

import jax
import jax.numpy as jnp
from matplotlib import figure as figure_lib
import numpy as np

from dmjax.data import photos
from dmjax.train import drawing
from dmjax.train import zoo

_LAMBDAS = (0.3, 0.5, 0.7)
_SIZE = 128


def draw(name: str, path: pathlib.Path) -> None:
  """Draws three pairs and their mixes; nothing where images are no input.

  Args:
    name: Of the mixer.
    path: The picture.
  """
  images, names = photos.pairs(_SIZE)
  images = jnp.asarray(images, jnp.float32) / 255
  try:
    mixed = zoo.mix_photographs(
        name, jax.random.key(3), images, lam=np.float32(2 * _LAMBDAS)
    )
  except ValueError as error:  # A mixer of text, or of graphs.
    print(f"gallery: no picture of {name}: {error}")
    return
  _draw(jax.device_get(images), names, jax.device_get(mixed), path)


def _draw(images, names, mixed, path):
  pairs = len(_LAMBDAS)
  columns = 4 - (mixed.mask is None)
  other = "partner" if mixed.sources.shape[1] == 2 else "another"
  figure = figure_lib.Figure(figsize=(1.6 * columns, 1.85 * pairs))
  grid = figure.subplots(pairs, columns, squeeze=False)
  for i, row in enumerate(grid):
    shown = images[i], images[i + pairs], mixed.x[i]
    titles = "image", other, _shares(mixed, names, i)
    for axes, image, title in zip(row, shown, titles, strict=False):
      drawing.show(axes, image, title)
    if mixed.mask is not None:
      row[-1].imshow(mixed.mask[i, ..., 0], vmin=0, vmax=1, cmap="viridis")
      row[-1].set_title(f"mask, mean {mixed.mask[i].mean():.2f}", fontsize=8, pad=3)
      row[-1].set(xticks=[], yticks=[])
  figure.subplots_adjust(0.01, 0.01, 0.99, 0.95, wspace=0.05, hspace=0.15)
  figure.savefig(path, dpi=110)


def _shares(mixed, names, row):
  """`temple 55 %, flower 45 %`."""
  shares = {}
  for source, weight in zip(mixed.sources[row], mixed.weights[row], strict=True):
    what = names[int(source)]
    shares[what] = shares.get(what, 0.0) + float(weight)
  return ", ".join(f"{k} {v:.0%}" for k, v in shares.items() if v > 0.005)

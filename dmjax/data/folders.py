"""A folder of images as a dataset: `root/<split>/<class>/*.png|jpg`."""

import pathlib

import numpy as np
from PIL import Image

from dmjax.data import base

_SUFFIXES = (".png", ".jpg", ".jpeg")


def open_folder(root: pathlib.Path, split: str) -> base.Source:
  """Opens a split of a folder.

  Args:
    root: The folder.
    split: Name of its sub-folder.

  Returns:
    The source. Its classes are those of all splits, so that labels agree.

  Raises:
    ValueError: Where the split is not there, or holds no images.
  """
  folder = root / split
  if not folder.is_dir():
    found = sorted(p.name for p in root.iterdir() if p.is_dir())
    raise ValueError(f"{root} has no folder {split!r}; it has {found}")
  classes = sorted({p.name for p in root.glob("*/*") if p.is_dir()})
  files = sorted(
      p for p in folder.glob("*/*") if p.suffix.lower() in _SUFFIXES
  )
  if not files:
    raise ValueError(f"{folder} holds no images <class>/*.png or *.jpg")
  index = {name: i for i, name in enumerate(classes)}

  def read(row):
    path = files[int(row)]
    return {"x": read_image(path), "label": index[path.parent.name]}

  return base.Source(read, len(files), tuple(classes))


def read_image(path: pathlib.Path) -> np.ndarray:
  """An image file as `uint8[H, W, 3]`, or `[H, W, 1]` if it is grey."""
  with Image.open(path) as image:
    if image.mode not in ("L", "RGB"):
      image = image.convert("RGB")
    pixels = np.asarray(image)
  return pixels[..., None] if pixels.ndim == 2 else pixels

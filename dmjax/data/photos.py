"""Pairs of photographs for previews, from scikit-learn: nothing to download.

`china.jpg` is by danielbuechele and `flower.jpg` by vultilion, both on Flickr and
under CC BY 2.0.
"""

import numpy as np
from PIL import Image

# Upper left corner (row, column) and side of the crops, in pixels.
_TEMPLES = ((40, 130, 330), (0, 0, 300), (120, 250, 300))
_FLOWERS = ((60, 210, 320), (90, 180, 330), (30, 160, 390))


def pairs(size: int = 96) -> tuple[np.ndarray, tuple[str, ...]]:
  """Three temples, then three flowers.

  Args:
    size: Height and width.

  Returns:
    `uint8[6, size, size, 3]`, and the name of each.
  """
  # Where it is used: scikit-learn takes half a second to import.
  from sklearn import datasets  # pylint: disable=g-import-not-at-top

  china, flower = datasets.load_sample_images().images
  crops = [_crop(china, *box, size) for box in _TEMPLES]
  crops += [_crop(flower, *box, size) for box in _FLOWERS]
  return np.stack(crops), ("temple",) * 3 + ("flower",) * 3


def _crop(photo, row, column, side, size):
  picture = Image.fromarray(photo[row : row + side, column : column + side])
  return np.asarray(picture.resize((size, size), Image.Resampling.BICUBIC))

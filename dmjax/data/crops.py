"""Crops on the host, of one picture: what streaming workers do."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from dmjax import augment

_TRIES = 10


def random_resized_crop(
    rng: np.random.Generator,
    image: Image.Image,
    size: int,
    *,
    scale: Sequence[float] = (0.08, 1.0),
    ratio: Sequence[float] = (3 / 4, 4 / 3),
) -> Image.Image:
  """`augment.random_resized_crop` of one picture, to `size` by `size` pixels."""
  shape = (image.height, image.width)
  draws = rng.uniform(size=(4, _TRIES))
  box, fits = augment.first_fitting(np, draws, shape, scale, ratio)
  box = box if fits else augment.largest_central(shape, ratio)
  top, left, height, width = box
  # The sum may exceed the picture by a rounding error, which PIL refuses.
  right = min(left + width, image.width)
  bottom = min(top + height, image.height)
  return image.resize(
      (size, size), Image.Resampling.BICUBIC, (left, top, right, bottom)
  )


def central_crop(image: Image.Image, size: int, resize: int = 0) -> Image.Image:
  """Resizes the shorter side, then cuts out the central square.

  Args:
    image: The picture.
    size: Side of the square.
    resize: Of the shorter side, at least `size`; `size` if 0.

  Returns:
    The square.
  """
  factor = (resize or size) / min(image.size)
  sides = [max(size, round(side * factor)) for side in image.size]
  left, top = ((side - size) // 2 for side in sides)
  resized = image.resize(sides, Image.Resampling.BICUBIC)
  return resized.crop((left, top, left + size, top + size))

"""Crops with a change of size: on the device for batches, on the host for one.

Boxes are `(top, left, height, width)` in pixels and need not be whole numbers.
"""

from collections.abc import Sequence
from types import ModuleType

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

_TRIES = 10


def first_fitting(
    numpy: ModuleType,
    draws: jax.typing.ArrayLike,
    shape: tuple[int, int],
    scale: Sequence[float],
    ratio: Sequence[float],
):
  """The first of ten random boxes that lies within an image.

  A box has `scale` times the area of the image and the aspect `ratio`, width to
  height, log-uniform; its place is uniform.

  Args:
    numpy: `numpy` or `jax.numpy`, to compute with.
    draws: `[4, 10]`, uniform in [0, 1).
    shape: `(H, W)`.
    scale: Range of the area, as a share of the image's.
    ratio: Range of the aspect.

  Returns:
    The box, `[4]`, and whether any of the ten was within the image.
  """
  low, high = np.log(ratio[0]), np.log(ratio[1])
  areas = (scale[0] + draws[0] * (scale[1] - scale[0])) * shape[0] * shape[1]
  aspects = numpy.exp(low + draws[1] * (high - low))
  heights, widths = numpy.sqrt(areas / aspects), numpy.sqrt(areas * aspects)
  fits = (heights <= shape[0]) & (widths <= shape[1])
  first = numpy.argmax(fits)
  height, width = heights[first], widths[first]
  top = draws[2, first] * (shape[0] - height)
  left = draws[3, first] * (shape[1] - width)
  return numpy.stack([top, left, height, width]), numpy.any(fits)


def _largest_central(shape, ratio):
  """The largest box in the middle whose aspect lies within `ratio`."""
  height = min(shape[0], shape[1] / ratio[0])
  width = min(shape[1], shape[0] * ratio[1])
  return np.array([
      (shape[0] - height) / 2, (shape[1] - width) / 2, height, width
  ])


def random_resized_crop(
    key: jax.Array,
    images: jax.Array,
    *,
    scale: Sequence[float] = (0.08, 1.0),
    ratio: Sequence[float] = (3 / 4, 4 / 3),
) -> jax.Array:
  """Cuts a random box out of each image and resizes it to the image's size.

  The crop of Inception (arXiv 1409.4842) in the form all published recipes use:
  ten draws of area and aspect, and the largest central box where none fits.

  Args:
    key: PRNG key.
    images: `[B, H, W, C]`, pixels from 0 to 255.
    scale: Range of the box's share of the area.
    ratio: Range of its aspect, width to height.

  Returns:
    `float32[B, H, W, C]`, interpolated bicubically, from 0 to 255.
  """
  batch, *shape, _ = images.shape
  middle = jnp.asarray(_largest_central(shape, ratio), jnp.float32)
  draws = jax.random.uniform(key, (batch, 4, _TRIES))

  def crop(draws, image):
    drawn, fits = first_fitting(jnp, draws, shape, scale, ratio)
    return crop_and_resize(image, jnp.where(fits, drawn, middle))

  return jax.vmap(crop)(draws, images)


def crop_and_resize(image: jax.Array, box: jax.Array) -> jax.Array:
  """The box of an image `[H, W, C]`, enlarged or reduced to the image's size."""
  factors = jnp.asarray(image.shape[:2]) / box[2:]
  resized = jax.image.scale_and_translate(
      image.astype(jnp.float32), image.shape, (0, 1), factors,
      -box[:2] * factors, "cubic",
  )
  return jnp.clip(resized, 0, 255)


def random_resized_crop_on_host(
    rng: np.random.Generator,
    image: Image.Image,
    size: int,
    *,
    scale: Sequence[float] = (0.08, 1.0),
    ratio: Sequence[float] = (3 / 4, 4 / 3),
) -> Image.Image:
  """`random_resized_crop` of one picture, to `size` by `size` pixels."""
  shape = (image.height, image.width)
  draws = rng.uniform(size=(4, _TRIES))
  box, fits = first_fitting(np, draws, shape, scale, ratio)
  top, left, height, width = box if fits else _largest_central(shape, ratio)
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

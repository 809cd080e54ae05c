"""Parts of images taken away.

Both fill in pixel space what a network that normalises should see: zeros and
unit noise there are the mean, and the mean plus noise of the data's deviation,
here.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from dmjax.augment import _boxes
from dmjax.augment import _checks


def random_erase(
    key: jax.Array,
    x: jax.Array,
    *,
    probability: float,
    mean: Sequence[float] = (0.0,),
    std: Sequence[float] = (1.0,),
    area: Sequence[float] = (0.02, 1 / 3),
    aspect: Sequence[float] = (0.3, 1 / 0.3),
) -> jax.Array:
  """Fills a random box with noise, N(mean, std^2) (arXiv 1708.04896).

  What timm calls the mode `pixel`, where the noise is N(0, 1) after
  normalisation. As there, ten boxes are drawn and an image none of them fits
  into stays as it is. The noise may leave [0, 1]: clipping it would change
  what the network sees.

  Args:
    key: PRNG key.
    x: Images `[B, H, W, C]`, floating.
    probability: Of an image to be erased in.
    mean: Of the noise: one value, or one a channel.
    std: Of the noise: one value, or one a channel.
    area: Range of the box's share of the area.
    aspect: Range of its aspect, width to height.

  Returns:
    `[B, H, W, C]`, dtype of x.

  Raises:
    ValueError: For a probability outside [0, 1], a range that is none, and
      means or deviations that do not fit the channels.

  Example:
    >>> key = jax.random.key(0)
    >>> x = jax.random.uniform(key, (4, 8, 8, 3))
    >>> erased = augment.random_erase(key, x, probability=0.25)
    >>> print(erased.shape)
    (4, 8, 8, 3)
  """
  _checks.check_images(x)
  _checks.check_number("probability", probability, 1)
  _checks.check_range("area", area, 1)
  _checks.check_range("aspect", aspect)
  centre = _checks.per_channel("mean", mean, x)
  spread = _checks.per_channel("std", std, x)

  def erase(key, image):
    erase_key, box_key, noise_key = jax.random.split(key, 3)
    inside = _random_box(box_key, image.shape[:2], area, aspect)
    erased = jax.random.bernoulli(erase_key, probability) & inside
    noise = centre + spread * jax.random.normal(noise_key, image.shape)
    return jnp.where(erased, noise.astype(image.dtype), image)

  return jax.vmap(erase)(jax.random.split(key, x.shape[0]), x)


def _random_box(key, shape, area, aspect):
  """`bool[H, W, 1]`, true in a box; nowhere if none of ten fits."""
  draws = jax.random.uniform(key, (4, 10))
  box, fits = _boxes.first_fitting(jnp, draws, shape, area, aspect)
  start = jnp.round(box[:2])
  return fits & _boxes.inside(shape, start, start + jnp.round(box[2:]))


def random_cutout(
    key: jax.Array,
    x: jax.Array,
    *,
    largest: float = 0.5,
    fill: Sequence[float] = (0.0,),
) -> jax.Array:
  """`cutout` of a random side, as after the strong view of FixMatch.

  The side is uniform between 0 and `largest` times that of the image, for each
  image by itself (arXiv 2001.07685, in TorchSSL's form).

  Args:
    key: PRNG key.
    x: Images `[B, H, W, C]`, floating.
    largest: Largest side of the square, as a share of the shorter side.
    fill: Colour of the square: one value, or one a channel.

  Returns:
    `[B, H, W, C]`, dtype of x.

  Raises:
    ValueError: For a share outside [0, 1] and a fill that does not fit.

  Example:
    >>> key = jax.random.key(0)
    >>> x = jax.random.uniform(key, (4, 8, 8, 3))
    >>> print(augment.random_cutout(key, x, largest=0.5).shape)
    (4, 8, 8, 3)
  """
  _checks.check_images(x)
  _checks.check_number("largest", largest, 1)
  colour = _checks.per_channel("fill", fill, x).astype(x.dtype)
  draws = jax.random.uniform(key, (x.shape[0], 3))
  longest = largest * min(x.shape[1:3])

  def cut(draw, image):
    side = longest * draw[0]
    start = draw[1:] * jnp.asarray(image.shape[:2]) - side / 2
    inside = _boxes.inside(image.shape[:2], start, start + side)
    return jnp.where(inside, colour, image)

  return jax.vmap(cut)(draws, x)


def cutout(
    key: jax.Array,
    x: jax.Array,
    *,
    size: int,
    fill: Sequence[float] = (0.0,),
) -> jax.Array:
  """Fills a square around a random pixel (arXiv 1708.04552).

  The square may reach over the edge of the image. The paper fills with zeros
  after normalisation, that is with the mean of the data.

  Args:
    key: PRNG key.
    x: Images `[B, H, W, C]`, floating.
    size: Side of the square, in pixels.
    fill: Colour of the square: one value, or one a channel.

  Returns:
    `[B, H, W, C]`, dtype of x.

  Raises:
    ValueError: For a negative size and a fill that does not fit the channels.

  Example:
    >>> key = jax.random.key(0)
    >>> x = jax.random.uniform(key, (4, 8, 8, 3))
    >>> print(augment.cutout(key, x, size=4).shape)
    (4, 8, 8, 3)
  """
  _checks.check_images(x)
  _checks.check_number("size", size)
  colour = _checks.per_channel("fill", fill, x).astype(x.dtype)
  places = jax.random.uniform(key, (x.shape[0], 2))

  def cut(place, image):
    centre = jnp.floor(place * jnp.asarray(image.shape[:2]))
    start = centre - size // 2
    inside = _boxes.inside(image.shape[:2], start, start + size)
    return jnp.where(inside, colour, image)

  return jax.vmap(cut)(places, x)

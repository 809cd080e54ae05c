"""Parts of images taken away, on the device, after normalisation."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from dmjax.data import crops


def random_erase(
    key: jax.Array,
    images: jax.Array,
    *,
    probability: float,
    area: Sequence[float] = (0.02, 1 / 3),
    aspect: Sequence[float] = (0.3, 1 / 0.3),
) -> jax.Array:
  """Fills a random box with noise, N(0, 1) per value (arXiv 1708.04896).

  What timm calls the mode `pixel`. As there, ten boxes are drawn and an image
  none of them fits into stays as it is.

  Args:
    key: PRNG key.
    images: `[B, H, W, C]`, normalised.
    probability: Of an image to be erased in.
    area: Range of the box's share of the area.
    aspect: Range of its aspect, width to height.

  Returns:
    `[B, H, W, C]`.
  """

  def erase(key, image):
    erase_key, box_key, noise_key = jax.random.split(key, 3)
    draws = jax.random.uniform(box_key, (4, 10))
    box, fits = crops.first_fitting(
        jnp, draws, image.shape[:2], area, aspect
    )
    erased = fits & jax.random.bernoulli(erase_key, probability)
    start = jnp.round(box[:2])
    inside = _inside(image.shape, start, start + jnp.round(box[2:]))
    noise = jax.random.normal(noise_key, image.shape, image.dtype)
    return jnp.where(erased & inside, noise, image)

  keys = jax.random.split(key, images.shape[0])
  return jax.vmap(erase)(keys, images)


def cutout(key: jax.Array, images: jax.Array, *, size: int) -> jax.Array:
  """Sets a square around a random pixel to zero (arXiv 1708.04552).

  The square may reach over the edge of the image.

  Args:
    key: PRNG key.
    images: `[B, H, W, C]`, normalised.
    size: Side of the square, in pixels.

  Returns:
    `[B, H, W, C]`.
  """
  places = jax.random.uniform(key, (images.shape[0], 2))

  def cut(place, image):
    centre = jnp.floor(place * jnp.asarray(image.shape[:2]))
    start = centre - size // 2
    inside = _inside(image.shape, start, start + size)
    return jnp.where(inside, jnp.zeros_like(image), image)

  return jax.vmap(cut)(places, images)


def _inside(shape, start, stop):
  """`bool[H, W, 1]`, true for the pixels of the box `[start, stop)`."""
  rows, columns = (
      (jnp.arange(side) >= low) & (jnp.arange(side) < high)
      for side, low, high in zip(shape, start, stop)
  )
  return (rows[:, None] & columns[None, :])[..., None]

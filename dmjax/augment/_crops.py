"""Crops and flips."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from dmjax.augment import _boxes
from dmjax.augment import _checks


def random_crop(
    key: jax.Array, x: jax.Array, *, padding: int, mode: str = "reflect"
) -> jax.Array:
  """Pads by `padding` pixels and crops back at a random place, per image.

  Args:
    key: PRNG key.
    x: Images `[B, H, W, C]`, floating.
    padding: Pixels added on each side; 0 returns the images.
    mode: Of the padding: `reflect`, or `constant` for zeros.

  Returns:
    `[B, H, W, C]`, dtype of x.

  Raises:
    ValueError: For a negative padding and an unknown mode.

  Example:
    >>> key = jax.random.key(0)
    >>> x = jax.random.uniform(key, (4, 8, 8, 3))
    >>> print(augment.random_crop(key, x, padding=2).shape)
    (4, 8, 8, 3)
  """
  _checks.check_images(x)
  _checks.check_number("padding", padding)
  if mode not in ("reflect", "constant"):
    raise ValueError(f"mode must be 'reflect' or 'constant', got {mode!r}")
  if not padding:
    return x
  pad = ((0, 0), (padding, padding), (padding, padding), (0, 0))
  padded = jnp.pad(x, pad, mode=mode)
  offsets = jax.random.randint(key, (x.shape[0], 2), 0, 2 * padding + 1)

  def crop(image, offset):
    return jax.lax.dynamic_slice(image, (*offset, 0), x.shape[1:])

  return jax.vmap(crop)(padded, offsets)


def random_flip(key: jax.Array, x: jax.Array) -> jax.Array:
  """Flips each image left to right with probability 1/2.

  Args:
    key: PRNG key.
    x: Images `[B, H, W, C]`, floating.

  Returns:
    `[B, H, W, C]`, dtype of x.

  Example:
    >>> key = jax.random.key(0)
    >>> x = jax.random.uniform(key, (4, 8, 8, 3))
    >>> print(augment.random_flip(key, x).shape)
    (4, 8, 8, 3)
  """
  _checks.check_images(x)
  flip = jax.random.bernoulli(key, shape=(x.shape[0], 1, 1, 1))
  return jnp.where(flip, x[:, :, ::-1], x)


def random_resized_crop(
    key: jax.Array,
    x: jax.Array,
    *,
    scale: Sequence[float] = (0.08, 1.0),
    ratio: Sequence[float] = (3 / 4, 4 / 3),
) -> jax.Array:
  """Cuts a random box out of each image and resizes it to the image's size.

  The crop of Inception (arXiv 1409.4842) in the form all published recipes use:
  ten draws of area and aspect, and the largest central box where none fits.

  Args:
    key: PRNG key.
    x: Images `[B, H, W, C]` in [0, 1].
    scale: Range of the box's share of the area.
    ratio: Range of its aspect, width to height.

  Returns:
    `[B, H, W, C]` in [0, 1], dtype of x, interpolated bicubically.

  Raises:
    ValueError: For a range that is none, or a share above 1.

  Example:
    >>> key = jax.random.key(0)
    >>> x = jax.random.uniform(key, (4, 8, 8, 3))
    >>> print(augment.random_resized_crop(key, x, scale=(0.25, 1.0)).shape)
    (4, 8, 8, 3)
  """
  _checks.check_images(x)
  _checks.check_range("scale", scale, 1)
  _checks.check_range("ratio", ratio)
  batch, *shape, _ = x.shape
  middle = jnp.asarray(_boxes.largest_central(shape, ratio), jnp.float32)
  draws = jax.random.uniform(key, (batch, 4, 10))

  def crop(draws, image):
    drawn, fits = _boxes.first_fitting(jnp, draws, shape, scale, ratio)
    return crop_and_resize(image, jnp.where(fits, drawn, middle))

  return jax.vmap(crop)(draws, x)


def crop_and_resize(image: jax.Array, box: jax.Array) -> jax.Array:
  """The box of an image `[H, W, C]`, resized to the size of the image."""
  factors = jnp.asarray(image.shape[:2]) / box[2:]
  resized = jax.image.scale_and_translate(
      image.astype(jnp.float32), image.shape, (0, 1), factors,
      -box[:2] * factors, "cubic",
  )
  return jnp.clip(resized, 0, 1).astype(image.dtype)

"""Augmentation on the device, on whole batches."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from dmjax.data import colour
from dmjax.data import crops
from dmjax.data import erasing


def random_crop(
    key: jax.Array, images: jax.Array, *, padding: int, mode: str = "reflect"
) -> jax.Array:
  """Pads by `padding` pixels and crops back at a random place, per image.

  Args:
    key: PRNG key.
    images: `[B, H, W, C]`.
    padding: Pixels added on each side; 0 returns the images.
    mode: Of the padding: `reflect`, or `constant` for zeros.

  Returns:
    `[B, H, W, C]`.
  """
  if not padding:
    return images
  batch, height, width, channels = images.shape
  pad = ((0, 0), (padding, padding), (padding, padding), (0, 0))
  padded = jnp.pad(images, pad, mode=mode)
  offsets = jax.random.randint(key, (batch, 2), 0, 2 * padding + 1)

  def crop(image, offset):
    start = (offset[0], offset[1], 0)
    return jax.lax.dynamic_slice(image, start, (height, width, channels))

  return jax.vmap(crop)(padded, offsets)


def random_flip(key: jax.Array, images: jax.Array) -> jax.Array:
  """Flips each image left to right with probability 1/2."""
  flip = jax.random.bernoulli(key, shape=(images.shape[0], 1, 1, 1))
  return jnp.where(flip, images[:, :, ::-1], images)


def normalize(
    images: jax.Array, mean: Sequence[float], std: Sequence[float]
) -> jax.Array:
  """uint8 images -> float32 `(x / 255 - mean) / std`, per channel."""
  mean, std = jnp.asarray(mean), jnp.asarray(std)
  shape = (1,) * (images.ndim - 1) + (-1,)
  images = images.astype(jnp.float32) / 255
  return (images - mean.reshape(shape)) / std.reshape(shape)


def denormalize(
    images: jax.Array, mean: Sequence[float], std: Sequence[float]
) -> jax.Array:
  """The inverse of `normalize`: float32 from 0 to 255, clipped."""
  mean, std = jnp.asarray(mean), jnp.asarray(std)
  shape = (1,) * (images.ndim - 1) + (-1,)
  pixels = images * std.reshape(shape) + mean.reshape(shape)
  return jnp.clip(pixels * 255, 0, 255)


def augment(
    key: jax.Array, images: jax.Array, config: Mapping[str, Any]
) -> jax.Array:
  """The training augmentation of a configuration, and normalisation.

  Crop, flip, colour, normalise, erase. Streaming workers have cropped already
  where boxes are resized, and RandAugment takes the place of colour jitter.

  Args:
    key: PRNG key.
    images: `uint8[B, H, W, C]`.
    config: The `data` section.

  Returns:
    `float32[B, H, W, C]`.
  """
  crop_key, flip_key, colour_key, erase_key, cut_key = jax.random.split(key, 5)
  if config["crop_scale"] and config["pipeline"] == "resident":
    images = crops.random_resized_crop(
        crop_key, images, scale=config["crop_scale"]
    )
  padding, mode = config["crop_padding"], config["crop_mode"]
  images = random_crop(crop_key, images, padding=padding, mode=mode)
  if config["flip"]:
    images = random_flip(flip_key, images)
  if config["jitter"] and not config["rand_augment"]:
    images = colour.colour_jitter(
        colour_key, images, strength=config["jitter"]
    )
  images = normalize(images, config["mean"], config["std"])
  if config["erase"]:
    images = erasing.random_erase(
        erase_key, images, probability=config["erase"]
    )
  if config["cutout"]:
    images = erasing.cutout(cut_key, images, size=config["cutout"])
  return images

"""Colour jitter on the device."""

import jax
import jax.numpy as jnp
import numpy as np

# Of red, green and blue in the grey value, ITU-R 601, as in PIL.
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def brightness(image: jax.Array, factor: jax.Array) -> jax.Array:
  """Black at factor 0, the image at 1; `[H, W, C]`, from 0 to 255."""
  return jnp.clip(factor * image, 0, 255)


def contrast(image: jax.Array, factor: jax.Array) -> jax.Array:
  """Its mean grey value at factor 0, the image at 1."""
  mean = jnp.mean(_grey(image))
  return jnp.clip(mean + factor * (image - mean), 0, 255)


def saturation(image: jax.Array, factor: jax.Array) -> jax.Array:
  """Grey at factor 0, the image at 1; nothing changes without colour."""
  grey = jnp.broadcast_to(_grey(image), image.shape)
  return jnp.clip(grey + factor * (image - grey), 0, 255)


def colour_jitter(
    key: jax.Array, images: jax.Array, *, strength: float
) -> jax.Array:
  """Changes brightness, contrast and saturation, in random order.

  Each of the three factors is uniform in [1 - strength, 1 + strength]; every
  image has its own factors and order.

  Args:
    key: PRNG key.
    images: `[B, H, W, C]`, pixels from 0 to 255.
    strength: In [0, 1].

  Returns:
    `float32[B, H, W, C]`, from 0 to 255.
  """

  def jitter(key, image):
    order_key, factor_key = jax.random.split(key)
    factors = jax.random.uniform(
        factor_key, (3,), minval=1 - strength, maxval=1 + strength
    )
    for change in jax.random.permutation(order_key, 3):
      image = jax.lax.switch(
          change, (brightness, contrast, saturation), image, factors[change]
      )
    return image

  keys = jax.random.split(key, images.shape[0])
  return jax.vmap(jitter)(keys, images.astype(jnp.float32))


def _grey(image):
  if image.shape[-1] == 1:
    return image
  return jnp.expand_dims(image @ _LUMA, -1)

"""Noise: independent of place, and of channel."""

import jax
import jax.numpy as jnp

from dmjax.evaluate.corruptions import _constants

# Standard deviation.
_GAUSSIAN = (0.04, 0.06, 0.08, 0.09, 0.1), (0.08, 0.12, 0.18, 0.26, 0.38)
# Photons that make a value of 1.
_SHOT = (500, 250, 100, 75, 50), (60, 25, 12, 5, 3)
# Share of values that are lost.
_IMPULSE = (0.01, 0.02, 0.03, 0.05, 0.07), (0.03, 0.06, 0.09, 0.17, 0.27)


def gaussian_noise(
    key: jax.Array, image: jax.Array, severity: jax.Array
) -> jax.Array:
  """Adds normal noise: `clip(x + c n)`."""
  std = _constants.constants(image, severity, *_GAUSSIAN)
  noise = jax.random.normal(key, image.shape)
  return jnp.clip(image + std * noise, 0, 1)


def shot_noise(
    key: jax.Array, image: jax.Array, severity: jax.Array
) -> jax.Array:
  """Counts photons: `clip(Poisson(c x) / c)`."""
  photons = _constants.constants(image, severity, *_SHOT)
  counts = jax.random.poisson(key, photons * image, image.shape)
  return jnp.clip(counts / photons, 0, 1)


def impulse_noise(
    key: jax.Array, image: jax.Array, severity: jax.Array
) -> jax.Array:
  """Puts 0 or 1, evenly drawn, in the place of a share c of the values."""
  share = _constants.constants(image, severity, *_IMPULSE)
  draw = jax.random.uniform(key, image.shape)
  # One number says both: below half the share it is pepper, then salt.
  lost = jnp.where(draw < share / 2, 0.0, 1.0)
  return jnp.where(draw < share, lost, image)

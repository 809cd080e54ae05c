"""Tone curves: operations that replace values, whatever their place.

Values are whole numbers from 0 to 255, as `float32[H, W, C]`. Two of the curves
depend on how many pixels of each channel have each value, `count`
`int32[C, 256]`.
"""

import functools

import jax
import jax.numpy as jnp

from dmjax.augment import _spaces


def _auto_contrast(values, count, level, space):
  """From the darkest value to the brightest, spread over all."""
  shades = jnp.arange(256.0)[None]
  low = jnp.min(jnp.where(count > 0, shades, 255), axis=1)[None, None]
  high = jnp.max(jnp.where(count > 0, shades, 0), axis=1)[None, None]
  spread = _quotient((values - low) * 255, jnp.maximum(high - low, 1))
  return jnp.where(high > low, spread, values)


def _equalize(values, count, level, space):
  """The share of darker pixels, in steps of a whole number of pixels."""
  darker = jnp.cumsum(count, axis=1) - count
  # All but the pixels of the brightest value.
  counted = jnp.max(jnp.where(count > 0, darker, 0), axis=1)
  step = _quotient(counted, 255)[None, None]
  place = values.astype(jnp.int32) + _first(values)
  rank = jnp.floor(step / 2) + darker.reshape(-1)[place]
  steps = _quotient(rank, jnp.maximum(step, 1))
  return jnp.where(step > 0, jnp.minimum(steps, 255), values)


def _invert(values, count, level, space):
  return 255 - values


def _posterize(values, count, level, space):
  """Keeps the upper bits."""
  bits = space.bits(level).astype(jnp.int32)
  step = jnp.left_shift(1, 8 - bits).astype(jnp.float32)
  return jnp.floor(values / step) * step


def _solarize(values, count, level, space):
  """Inverts what is not below a threshold."""
  return jnp.where(values < space.threshold(level), values, 255 - values)


def _solarize_add(values, count, level, space):
  """Adds to the dark half of the values, up to 110."""
  return jnp.where(values < 128, values + jnp.floor(110 * level), values)


CURVES = {
    "auto_contrast": _auto_contrast,
    "equalize": _equalize,
    "invert": _invert,
    "posterize": _posterize,
    "solarize": _solarize,
    "solarize_add": _solarize_add,
}


def tone(
    image: jax.Array, which: jax.Array, level: jax.Array, space: _spaces.Space
) -> jax.Array:
  """Replaces the values of an image by one of the curves.

  Args:
    image: `float32[H, W, C]` in [0, 1]; rounded to 256 values.
    which: Row of `CURVES`, clipped.
    level: In [0, 1].
    space: What posterize and solarize make of the level.

  Returns:
    `float32[H, W, C]` in [0, 1], multiples of 1/255.
  """
  values = jnp.round(255 * image)
  branches = [
      functools.partial(curve, space=space) for curve in CURVES.values()
  ]
  return jax.lax.switch(which, branches, values, _count(values), level) / 255


def _count(values):
  channels = values.shape[-1]
  place = values.astype(jnp.int32) + _first(values)
  count = jnp.bincount(place.reshape(-1), length=256 * channels)
  return count.reshape(channels, 256)


def _quotient(whole, divisor):
  """Division of whole numbers, rounded down.

  Integers would be slow. A half keeps exact quotients, which compilers may
  compute as products with a reciprocal, from falling below themselves.
  """
  return jnp.floor((whole + 0.5) / divisor)


def _first(values):
  """Where the 256 entries of each channel begin, `int32[1, 1, C]`."""
  return 256 * jnp.arange(values.shape[-1]).reshape(1, 1, -1)

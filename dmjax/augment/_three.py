"""3-Augment (DeiT III, arXiv 2204.07118)."""

import functools
import operator

import jax
import jax.numpy as jnp
import numpy as np

from dmjax.augment import _blends
from dmjax.augment import _checks

# Range of the blur's standard deviation, in pixels.
_SIGMA = 0.1, 2.0

# Pixels that the blur reaches: four times the largest deviation.
_REACH = 8


def three_augment(key: jax.Array, x: jax.Array) -> jax.Array:
  """Makes each image grey, or solarizes it, or blurs it, evenly drawn.

  Solarizing inverts the values from 128 of 255 on. The blur is Gaussian, with a
  standard deviation uniform in [0.1, 2] pixels; pixels at the edge stand for
  those outside. The paper has colour jitter after it: `colour_jitter`.

  Args:
    key: PRNG key.
    x: Images `[B, H, W, C]` in [0, 1], C = 1 or 3.

  Returns:
    `[B, H, W, C]` in [0, 1], dtype of x.

  Raises:
    ValueError: For other channels.

  Example:
    >>> key = jax.random.key(0)
    >>> x = jax.random.uniform(key, (4, 8, 8, 3))
    >>> print(augment.three_augment(key, x).shape)
    (4, 8, 8, 3)
  """
  _checks.check_colours(x)

  def change(key, image):
    choice_key, sigma_key = jax.random.split(key)
    choice = jax.random.randint(choice_key, (), 0, 3)
    low, high = _SIGMA
    sigma = jax.random.uniform(sigma_key, (), minval=low, maxval=high)
    outcomes = _blends.grey(image), _solarize(image), _blur(image, sigma)
    return jax.lax.select_n(choice, *outcomes)

  keys = jax.random.split(key, x.shape[0])
  return jax.vmap(change)(keys, x.astype(jnp.float32)).astype(x.dtype)


def _solarize(image):
  # One half lies between 127 and 128 of 255.
  return jnp.where(image < 0.5, image, 1 - image)


def _blur(image, sigma):
  """Blurs `float32[H, W, C]` along one axis and then along the other."""
  weights = jnp.exp(-0.5 * (np.arange(-_REACH, _REACH + 1) / sigma) ** 2)
  weights = weights / jnp.sum(weights)
  for _ in range(2):
    image = _blur_columns(image, weights).swapaxes(0, 1)
  return jnp.clip(image, 0, 1)


def _blur_columns(image, weights):
  edge = ((_REACH, _REACH), (0, 0), (0, 0))
  padded = jnp.pad(image, edge, mode="edge")
  return functools.reduce(operator.add, (
      weight * padded[i : i + image.shape[0]]
      for i, weight in enumerate(weights)
  ))

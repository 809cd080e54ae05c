"""Small filters over the two axes of a map."""

from collections.abc import Sequence
import functools
import operator

import jax
import jax.numpy as jnp
import numpy as np


def gaussian(size: int, sigma: float) -> np.ndarray:
  """Taps of a Gaussian window of odd size, summing to 1."""
  taps = np.exp(-0.5 * ((np.arange(size) - size // 2) / sigma) ** 2)
  return taps / taps.sum()


def smooth(image: jax.Array, taps: Sequence[float] | np.ndarray) -> jax.Array:
  """Filters `[H, W]` with the same symmetric taps along both axes.

  The border is mirrored without repeating its pixel, as OpenCV and torchvision
  do by default. The taps are unrolled: XLA fuses them into one pass.
  """
  reach = len(taps) // 2
  for axis, size in enumerate(image.shape):
    pad = [(reach, reach) if axis == a else (0, 0) for a in range(2)]
    padded = jnp.pad(image, pad, mode="reflect")
    image = functools.reduce(operator.add, (
        float(tap) * jax.lax.slice_in_dim(padded, i, i + size, axis=axis)
        for i, tap in enumerate(taps)
    ))
  return image

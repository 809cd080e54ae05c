"""Enhancements: blends of an image with a degenerate one, as in PIL.

    changed = degenerate + factor (image - degenerate)

Images are `float32[H, W, C]` in [0, 1], C = 1 or 3.
"""

import functools
import operator

import jax
import jax.numpy as jnp

# Of red, green and blue in the grey value, ITU-R 601, as in PIL.
_LUMA = (0.299, 0.587, 0.114)


def _black(image):
  return jnp.zeros_like(image)


def _mean_grey(image):
  mean = jnp.mean(image, axis=(0, 1), keepdims=True)
  return jnp.broadcast_to(grey(mean), image.shape)


def grey(image: jax.Array) -> jax.Array:
  """The grey values of an image `[H, W, C]`, in each of its channels."""
  if image.shape[-1] == 1:
    return image
  parts = (share * image[..., i] for i, share in enumerate(_LUMA))
  luma = functools.reduce(operator.add, parts)
  return jnp.broadcast_to(luma[..., None], image.shape)


def _smooth(image):
  """Means over 3 x 3 pixels, the middle five times; PIL leaves the border."""
  lines = image[:-2] + image[1:-1] + image[2:]
  box = lines[:, :-2] + lines[:, 1:-1] + lines[:, 2:]
  inner = (box + 4 * image[1:-1, 1:-1]) / 13
  return image.at[1:-1, 1:-1].set(inner)


# What is left of an image at factor 0. `colour_jitter` draws from the first
# three.
DEGENERATES = {
    "brightness": _black,
    "contrast": _mean_grey,
    "colour": grey,
    "sharpness": _smooth,
}


def enhance(
    image: jax.Array, which: jax.Array, factor: jax.Array, count: int = 4
) -> jax.Array:
  """Changes one property of an image.

  Args:
    image: `float32[H, W, C]` in [0, 1].
    which: Row of `DEGENERATES`, clipped.
    factor: 0 takes the property away, 1 leaves it.
    count: Rows of `DEGENERATES` that may be asked for: the first `count`.

  Returns:
    `float32[H, W, C]` in [0, 1].
  """
  branches = tuple(DEGENERATES.values())[:count]
  degenerate = jax.lax.switch(which, branches, image)
  # Exactly the image at factor 1.
  return jnp.clip(image + (factor - 1) * (image - degenerate), 0, 1)

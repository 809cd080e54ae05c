"""The operations of PIL, and ours on the same pictures, in grey levels."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image
from PIL import ImageEnhance
from PIL import ImageOps

from dmjax import augment

FILL = (124, 116, 104)
ENHANCEMENTS = ("brightness", "contrast", "colour", "sharpness")


def picture(height=20, width=26, channels=3):
  """Smooth colours with some noise, `uint8[H, W, C]`."""
  rng = np.random.default_rng(0)
  rows, columns = np.mgrid[:height, :width]
  smooth = np.stack([rows * 9, columns * 7, rows + columns], -1)
  pixels = smooth + rng.integers(30, 60, smooth.shape)
  return pixels.clip(0, 255).astype(np.uint8)[..., :channels]


def unit(pixels, dtype=jnp.float32):
  return (jnp.asarray(pixels, jnp.float32) / 255).astype(dtype)


@functools.partial(jax.jit, static_argnames="space")
def apply_numbers(x, operation, level, sign, space="timm_increasing"):
  fill = tuple(f / 255 for f in FILL[: x.shape[-1]])
  return augment.apply_operation(
      x, operation, level, sign=sign, space=space, fill=fill
  )


def apply(names, levels, signs, pixels, space="timm_increasing"):
  """One row for each name, level and sign, in grey levels."""
  numbers = np.array([augment.OPERATIONS.index(name) for name in names])
  x = jnp.broadcast_to(unit(pixels), (len(names), *pixels.shape))
  levels, signs = np.array(levels, np.float32), np.array(signs, np.float32)
  changed = apply_numbers(x, numbers, levels, signs, space)
  assert changed.shape == x.shape and changed.dtype == x.dtype
  assert np.min(changed) >= 0 and np.max(changed) <= 1
  return 255 * np.asarray(changed)


def _fill(image):
  return FILL if image.mode == "RGB" else FILL[0]


def _enhanced(enhancer):
  return lambda image, factor: enhancer(image).enhance(factor)


def _moved(matrix):
  return lambda image, amount: image.transform(
      image.size, Image.Transform.AFFINE, matrix(amount),
      Image.Resampling.BICUBIC, fillcolor=_fill(image),
  )


def _lightened(image, added):
  table = [v + added if v < 128 else v for v in range(256)]
  return image.point(table * len(image.getbands()))


# By name, functions of an image and an argument.
PIL = {
    "identity": lambda image, _: image,
    "auto_contrast": lambda image, _: ImageOps.autocontrast(image),
    "equalize": lambda image, _: ImageOps.equalize(image),
    "invert": lambda image, _: ImageOps.invert(image),
    "posterize": ImageOps.posterize,
    "solarize": ImageOps.solarize,
    "solarize_add": _lightened,
    "colour": _enhanced(ImageEnhance.Color),
    "contrast": _enhanced(ImageEnhance.Contrast),
    "brightness": _enhanced(ImageEnhance.Brightness),
    "sharpness": _enhanced(ImageEnhance.Sharpness),
    "rotate": lambda image, degrees: image.rotate(
        degrees, Image.Resampling.BICUBIC, fillcolor=_fill(image)
    ),
    "shear_x": _moved(lambda v: (1, v, 0, 0, 1, 0)),
    "shear_y": _moved(lambda v: (1, 0, 0, v, 1, 0)),
    "translate_x": _moved(lambda v: (1, 0, v, 0, 1, 0)),
    "translate_y": _moved(lambda v: (1, 0, 0, 0, 1, v)),
}


def side(name, shape):
  """The length along which a translation of that name moves."""
  return shape[1] if name == "translate_x" else shape[0]


def check(space, arguments, pixels, levels):
  """Asserts that ours are PIL's.

  Args:
    space: Name of the space.
    arguments: By name, the argument for `(level, sign, side)`.
    pixels: `uint8[H, W, C]`.
    levels: What to try, with both signs.
  """
  image = Image.fromarray(pixels if pixels.shape[-1] == 3 else pixels[..., 0])
  cases = [(n, v, sign) for n in arguments for v in levels for sign in (-1, 1)]
  for changed, (name, *how) in zip(apply(*zip(*cases), pixels, space), cases):
    argument = arguments[name](*how, side(name, pixels.shape))
    expected = np.asarray(PIL[name](image, argument)).reshape(pixels.shape)
    error = np.abs(changed - expected)
    # PIL truncates to whole grey levels, and rounds what it blends with.
    assert error.mean() <= 1, (name, how)
    assert error.max() < 2.5, (name, how)

"""RandAugment (arXiv 1909.13719) on pictures, in the form published with timm.

A policy is written `rand-m9-mstd0.5-inc1`: magnitudes N(9, 0.5) out of 10, with
operations whose effect grows with the magnitude. `n3` makes it three operations
a picture instead of two.
"""

from collections.abc import Callable
import functools
import re
from typing import NamedTuple

import numpy as np
from PIL import Image
from PIL import ImageEnhance
from PIL import ImageOps

# Each drawn operation is applied with this probability.
_PROBABILITY = 0.5


class Policy(NamedTuple):
  """How strong, and how many.

  Attributes:
    magnitude: Mean magnitude, from 0 to 10.
    std: Standard deviation of the magnitude.
    increasing: Whether posterize, solarize and the enhancements grow stronger
      with the magnitude, as they do not in the original policy.
    count: Operations drawn for a picture, with replacement.
  """

  magnitude: float
  std: float
  increasing: bool
  count: int


def parse(text: str) -> Policy:
  """The policy of `rand-m9-mstd0.5-inc1`; ValueError for what is none."""
  name, *parts = text.split("-")
  options = {"mstd": 0.0, "inc": 0.0, "n": 2.0}
  for part in parts:
    match = re.fullmatch(r"(mstd|m|inc|n)(\d+(?:\.\d+)?)", part)
    if not match:
      name = None
    else:
      options[match[1]] = float(match[2])
  if name != "rand" or not 0 <= options.get("m", -1) <= 10:
    raise ValueError(
        "data.rand_augment must be a policy such as 'rand-m9-mstd0.5-inc1',"
        f" with a magnitude in [0, 10], got {text!r}"
    )
  return Policy(
      options["m"], options["mstd"], bool(options["inc"]), int(options["n"])
  )


def rand_augment(
    rng: np.random.Generator,
    image: Image.Image,
    policy: Policy,
    fill: tuple[int, ...],
) -> Image.Image:
  """Applies some random operations, each with probability 1/2.

  Args:
    rng: Source of randomness.
    image: The picture.
    policy: How many operations, and how strong.
    fill: Colour of what comes in from outside the picture.

  Returns:
    A picture of the same size.
  """
  fill = fill if image.mode == "RGB" else fill[0]
  for name in rng.choice(list(OPERATIONS), policy.count):
    if rng.uniform() >= _PROBABILITY:
      continue
    level = np.clip(rng.normal(policy.magnitude, policy.std), 0, 10) / 10
    sign = rng.choice((-1, 1))
    image = OPERATIONS[name](
        image, level=float(level), sign=int(sign),
        increasing=policy.increasing, fill=fill,
    )
  return image


def _plain(function):
  """An operation without a magnitude."""
  return lambda image, **_: function(image)


def _enhance(enhancer, image, *, level, sign, increasing, **_):
  if increasing:
    return enhancer(image).enhance(max(0.1, 1 + sign * 0.9 * level))
  return enhancer(image).enhance(0.1 + 1.8 * level)


def _posterize(image, *, level, increasing, **_):
  bits = int(level * 4)
  bits = 4 - bits if increasing else bits
  return ImageOps.posterize(image, max(1, bits))  # PIL keeps one bit at least.


def _solarize(image, *, level, increasing, **_):
  threshold = int(level * 256)
  return ImageOps.solarize(image, 256 - threshold if increasing else threshold)


def _solarize_add(image, *, level, **_):
  """Adds to the dark half of the values, up to 110."""
  added = int(level * 110)
  table = [min(255, v + added) if v < 128 else v for v in range(256)]
  return image.point(table * len(image.getbands()))


def _rotate(image, *, level, sign, fill, **_):
  return image.rotate(
      sign * 30 * level, Image.Resampling.BICUBIC, fillcolor=fill
  )


def _affine(matrix, image, *, level, sign, fill, **_):
  """Takes pixel (x, y) from (a x + b y + c, d x + e y + f)."""
  return image.transform(
      image.size, Image.Transform.AFFINE, matrix(sign * level, image.size),
      Image.Resampling.BICUBIC, fillcolor=fill,
  )


def _moving(matrix):
  return functools.partial(_affine, matrix)


# Shears up to 0.3, translations up to 0.45 of the picture.
OPERATIONS: dict[str, Callable[..., Image.Image]] = {
    "auto_contrast": _plain(ImageOps.autocontrast),
    "equalize": _plain(ImageOps.equalize),
    "invert": _plain(ImageOps.invert),
    "rotate": _rotate,
    "posterize": _posterize,
    "solarize": _solarize,
    "solarize_add": _solarize_add,
    "colour": functools.partial(_enhance, ImageEnhance.Color),
    "contrast": functools.partial(_enhance, ImageEnhance.Contrast),
    "brightness": functools.partial(_enhance, ImageEnhance.Brightness),
    "sharpness": functools.partial(_enhance, ImageEnhance.Sharpness),
    "shear_x": _moving(lambda v, _: (1, 0.3 * v, 0, 0, 1, 0)),
    "shear_y": _moving(lambda v, _: (1, 0, 0, 0.3 * v, 1, 0)),
    "translate_x": _moving(lambda v, s: (1, 0, 0.45 * v * s[0], 0, 1, 0)),
    "translate_y": _moving(lambda v, s: (1, 0, 0, 0, 1, 0.45 * v * s[1])),
}

"""Shifts: images that are moved, turned, and made larger or smaller."""

import jax
import jax.numpy as jnp
from jax.scipy import ndimage
import numpy as np

from dmjax.evaluate.probes import base

_TRANSLATIONS = tuple(percent / 100 for percent in range(0, 26, 5))
_ROTATIONS = (0, 15, 30, 45)
_SCALES = tuple(tenth / 10 for tenth in range(7, 15))


def cases(options: base.Options) -> list[base.Case]:
  """Translations, rotations and scales.

  Their places are shares of the largest amount, which is 25 % of the side, 45
  degrees or 1.4 times the size: one axis serves all. Nothing is changed at 0,
  and images are smaller on its left.

  Args:
    options: Not used.

  Returns:
    The cases.
  """
  del options
  found = [_case("translation", a, f"{a:.0%}", a / 0.25) for a in _TRANSLATIONS]
  found += [_case("rotation", a, f"{a} degrees", a / 45) for a in _ROTATIONS]
  found += [_case("scale", a, f"{a:.1f}", (a - 1) / 0.4) for a in _SCALES]
  return found


def _case(how, amount, words, place):
  setting = {"amount": float(amount)}
  return base.Case(f"{how} {words}", how, setting, round(place, 3), how)


def measure(model: base.Model, program: str):
  """Classifies images after a translation, a rotation or a scaling."""

  def outcomes(state, batch, setting):
    x = shift(batch["key"], batch["x"], setting["amount"], program)
    return base.judged(model.logits(state, x), batch["label"])

  return outcomes


def shift(
    keys: jax.Array, images: jax.Array, amount: jax.Array, how: str
) -> jax.Array:
  """Moves images, bilinearly; the border goes on outside.

  Args:
    keys: One PRNG key per image, for the direction.
    images: `float32[B, H, W, C]`.
    amount: For `translation` a share of the side, in one of 4 directions; for
      `rotation` degrees around the middle, either way; for `scale` a factor,
      above 1 to enlarge.
    how: One of these.

  Returns:
    `float32[B, H, W, C]`.
  """
  pixels = np.indices(images.shape[1:3]).astype(np.float32)
  middle = pixels[:, -1:, -1:] / 2

  def move(key, image):
    places = middle + _ORIGINS[how](key, pixels - middle, amount)
    return jax.vmap(_bilinear, (-1, None), -1)(image, places)

  return jax.vmap(move)(keys, images)


def _bilinear(channel, places):
  """The values `[H, W]` at (row, column), `places [2, H, W]`."""
  return ndimage.map_coordinates(channel, places, order=1, mode="nearest")


def _translated(key, pixels, share):
  directions = np.array([(0, 1), (0, -1), (1, 0), (-1, 0)], np.float32)
  direction = jax.random.choice(key, directions)
  distance = direction * share * np.float32(pixels.shape[1:])
  return pixels - distance[:, None, None]


def _rotated(key, pixels, degrees):
  angle = jnp.deg2rad(degrees) * jax.random.rademacher(key, ())
  (row, column), cos, sin = pixels, jnp.cos(angle), jnp.sin(angle)
  return jnp.stack([cos * row - sin * column, sin * row + cos * column])


# Where a pixel comes from, both counted from the middle as (row, column):
# `(key, pixels [2, H, W], amount) -> [2, H, W]`.
_ORIGINS = {
    "translation": _translated,
    "rotation": _rotated,
    "scale": lambda key, pixels, factor: pixels / factor,
}

PROBE = base.Probe(
    about="accuracy after translations, rotations and scalings",
    cases=cases,
    measure=measure,
    axis="share of the largest",
    summarize=base.means,
    kinds=("image",),
)

"""Spaces: what is drawn, and what a level makes of each operation.

A level lies in [0, 1]; a sign is 1 or -1. Every published space of RandAugment
reads the two in its own way.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

_TIMM = (
    "auto_contrast", "equalize", "invert", "posterize", "solarize",
    "solarize_add", "brightness", "contrast", "colour", "sharpness", "rotate",
    "shear_x", "shear_y", "translate_x", "translate_y",
)
# Those of FixMatch (arXiv 2001.07685) and of TrivialAugment.
_FOURTEEN = ("identity",) + tuple(
    name for name in _TIMM if name not in ("invert", "solarize_add")
)


class Space(NamedTuple):
  """A space of operations.

  Attributes:
    operations: Their names, drawn evenly.
    probability: Of a drawn operation to be applied.
    levels: `(key, shape, policy) -> float32[shape]`, draws levels.
    factor: `(level, sign) -> ` the factor of the four enhancements.
    bits: `level -> ` how many upper bits posterize keeps, from 1 to 8.
    threshold: `level -> ` from which value of 256 on solarize inverts.
    amount: `(level, sign) -> ` how far a warp goes, in [-1, 1].
    degrees: Of a rotation by an amount of 1.
    shear: Of a shear by an amount of 1.
    shift: `(amount, side) -> ` pixels of a translation, `side` being those of
      the picture.
  """

  operations: tuple[str, ...]
  probability: float
  levels: Callable[[jax.Array, tuple[int, ...], Any], jax.Array]
  factor: Callable[[jax.Array, jax.Array], jax.Array]
  bits: Callable[[jax.Array], jax.Array]
  threshold: Callable[[jax.Array], jax.Array]
  amount: Callable[[jax.Array, jax.Array], jax.Array]
  degrees: float
  shear: float
  shift: Callable[[jax.Array, int], jax.Array]


def _normal(key, shape, policy):
  noise = policy.std * jax.random.normal(key, shape)
  return jnp.clip(policy.magnitude + noise, 0, 10) / 10


def _uniform(key, shape, policy):
  return jax.random.uniform(key, shape)


def _bins(key, shape, policy):
  """The 31 levels from 0 to 1 in steps of 1/30."""
  return jax.random.randint(key, shape, 0, 31) / 30


_timm_increasing = Space(
    operations=_TIMM,
    probability=0.5,
    levels=_normal,
    factor=lambda level, sign: jnp.maximum(0.1, 1 + sign * 0.9 * level),
    bits=lambda level: jnp.maximum(4 - jnp.floor(4 * level), 1),
    threshold=lambda level: 256 - jnp.floor(256 * level),
    amount=lambda level, sign: sign * level,
    degrees=30.0,
    shear=0.3,
    shift=lambda amount, side: 0.45 * amount * side,
)

# The original policy, where some operations grow weaker with the level.
_timm = _timm_increasing._replace(
    factor=lambda level, sign: 0.1 + 1.8 * level,
    bits=lambda level: jnp.maximum(jnp.floor(4 * level), 1),
    threshold=lambda level: jnp.floor(256 * level),
)

_openmixup = _timm_increasing._replace(
    operations=_FOURTEEN,
    factor=lambda level, sign: 1 + sign * (0.05 + 0.9 * level),
    bits=lambda level: jnp.floor(4 + 4 * level),
    threshold=lambda level: 256 * (1 - level),
    shift=lambda amount, side: 0.3 * amount * side,
)

# Levels go from one end of each range to the other: signs change nothing.
_fixmatch = _openmixup._replace(
    probability=1.0,
    levels=_uniform,
    factor=lambda level, sign: 0.05 + 0.9 * level,
    bits=lambda level: jnp.floor(4 + 4 * level),
    threshold=lambda level: 256 * level,
    amount=lambda level, sign: 2 * level - 1,
)

_trivial = _openmixup._replace(
    probability=1.0,
    levels=_bins,
    factor=lambda level, sign: 1 + sign * 0.99 * level,
    bits=lambda level: 8 - jnp.round(6 * level),
    # Multiples of one half in the 31 bins: rounding must not fall below them.
    threshold=lambda level: jnp.round(510 * (1 - level)) / 2,
    degrees=135.0,
    shear=0.99,
    shift=lambda amount, side: jnp.trunc(32 * amount),
)


def _up_to_magnitude(key, shape, policy):
  """Evenly from 0.1 to the magnitude, of 10."""
  level = jax.random.uniform(key, shape, minval=0.1, maxval=policy.magnitude)
  return level / 10


# Those of AugMix (arXiv 1912.02781), which enhance nothing.
_augmix = _timm_increasing._replace(
    operations=(
        "auto_contrast", "equalize", "posterize", "rotate", "solarize",
        "shear_x", "shear_y", "translate_x", "translate_y",
    ),
    probability=1.0,
    levels=_up_to_magnitude,
    factor=lambda level, sign: jnp.ones_like(level),
    shift=lambda amount, side: jnp.trunc(amount * side / 3),
)

SPACES = {
    "timm": _timm,
    "timm_increasing": _timm_increasing,
    "openmixup": _openmixup,
    "fixmatch": _fixmatch,
    "trivial": _trivial,
    "augmix": _augmix,
}


def find(name: str) -> Space:
  """The space of that name, or ValueError."""
  if name not in SPACES:
    raise ValueError(f"space must be one of {', '.join(SPACES)}, got {name!r}")
  return SPACES[name]

"""Constants of the five severities."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Corruption = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]

# Largest side of an image that has the constants of CIFAR-10-C.
_SMALL = 64


def published(
    image: jax.Array | np.ndarray, small: Sequence[Any], large: Sequence[Any]
) -> np.ndarray:
  """The table for images of this size.

  Args:
    image: `[H, W, C]`.
    small: A row for each severity, of CIFAR-10-C.
    large: Likewise, of ImageNet-C.

  Returns:
    `float64[5, ...]`, on the host.
  """
  is_small = max(image.shape[:2]) <= _SMALL
  return np.asarray(small if is_small else large, np.float64)


def at(table: np.ndarray, severity: jax.Array) -> jax.Array:
  """The row of a severity.

  Args:
    table: `[5, ...]`.
    severity: From 1 to 5, rounded and clipped.

  Returns:
    `float32[...]`.
  """
  row = jnp.clip(jnp.round(severity).astype(jnp.int32) - 1, 0, len(table) - 1)
  return jnp.asarray(table, jnp.float32)[row]


def constants(
    image: jax.Array, severity: jax.Array, small: Sequence[Any],
    large: Sequence[Any],
) -> jax.Array:
  """The constants of a severity, for images of this size, `float32[...]`."""
  return at(published(image, small, large), severity)


def of_sides(
    image: jax.Array, severity: jax.Array, table: Callable[[int], np.ndarray]
) -> list[jax.Array]:
  """The rows of two tables, of the height and of the width of an image.

  Args:
    image: `[H, W, C]`.
    severity: From 1 to 5.
    table: `side -> [5, ...]`, on the host.

  Returns:
    Two arrays `float32[...]`.
  """
  return [at(table(side), severity) for side in image.shape[:2]]

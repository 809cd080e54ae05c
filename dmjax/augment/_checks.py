"""Arguments that do not fit, refused before anything is compiled."""

from collections.abc import Sequence
import math

import jax
import jax.numpy as jnp


def check_images(x: jax.Array) -> None:
  """Raises ValueError unless `x` is a floating batch `[B, H, W, C]`."""
  if x.ndim != 4 or not jnp.issubdtype(x.dtype, jnp.floating):
    raise ValueError(
        "x must be floating images [B, H, W, C], for example float32 in"
        f" [0, 1], got {x.dtype}{list(x.shape)}"
    )


def check_colours(x: jax.Array) -> None:
  """`check_images`, and one or three channels."""
  check_images(x)
  if x.shape[-1] not in (1, 3):
    raise ValueError(
        f"x must have 1 channel (grey) or 3 (RGB), got {x.shape[-1]}"
    )


def check_number(name: str, value: float, most: float = math.inf) -> None:
  """Raises ValueError for a number of the host outside [0, `most`]."""
  if not isinstance(value, jax.Array) and not 0 <= value <= most:
    raise ValueError(f"{name} must lie in [0, {most}], got {value}")


def check_range(
    name: str, values: Sequence[float], most: float = math.inf
) -> None:
  """Raises ValueError unless 0 < low <= high <= `most`."""
  if len(values) != 2 or not 0 < values[0] <= values[1] <= most:
    raise ValueError(
        f"{name} must be (low, high) with 0 < low <= high <= {most}, got"
        f" {tuple(values)}"
    )


def per_channel(
    name: str, values: Sequence[float], x: jax.Array
) -> jax.Array:
  """One value, or one a channel -> `float32[1, 1, C]`, or ValueError."""
  channels = x.shape[-1]
  if len(values) not in (1, channels):
    raise ValueError(
        f"{name} must hold one value, or one for each of the {channels}"
        f" channels of x, got {tuple(values)}"
    )
  row = jnp.asarray(values, jnp.float32).reshape(1, 1, -1)
  return jnp.broadcast_to(row, (1, 1, channels))

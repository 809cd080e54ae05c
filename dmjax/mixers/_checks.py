"""Arguments that do not fit, refused before anything is compiled.

Python numbers, lists and NumPy arrays are looked at. Arrays of JAX are not:
they may be traced, and to look at one on a device means to wait for it.
"""

from collections.abc import Sequence
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def host_values(value: Any) -> np.ndarray | None:
  """The values as `float64`, or None if any of them is an array of JAX."""
  if any(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(value)):
    return None
  return np.asarray(value, np.float64)


def check_number(
    name: str,
    value: jax.typing.ArrayLike,
    low: float = 0.0,
    high: float = math.inf,
) -> None:
  """Raises ValueError unless all values lie in [low, high] and are finite."""
  values = host_values(value)
  if values is None:
    return
  if not np.all((values >= low) & (values <= high) & np.isfinite(values)):
    what = f"be >= {low:g}"
    if high < math.inf:
      what = f"lie in [{low:g}, {high:g}]"
    raise ValueError(f"{name} must {what}, got {value}")


def check_numbers(**values: jax.typing.ArrayLike) -> None:
  """Raises ValueError unless all values are finite and not negative."""
  for name, value in values.items():
    check_number(name, value)


def check_positive(name: str, value: jax.typing.ArrayLike) -> None:
  """Raises ValueError unless all values are finite and greater than 0."""
  values = host_values(value)
  if values is not None and not np.all((values > 0) & np.isfinite(values)):
    raise ValueError(f"{name} must be > 0, got {value}")


def check_lam(lam: jax.typing.ArrayLike | None, batch: int) -> None:
  """Raises ValueError unless lambda is None, a scalar or `[B]`, in [0, 1]."""
  if lam is None:
    return
  if jnp.shape(lam) not in ((), (1,), (batch,)):
    raise ValueError(
        f"lam must be a scalar or [B] with B={batch}, got shape"
        f" {jnp.shape(lam)}"
    )
  check_number("lam", lam, 0, 1)


def check_partner(
    partner: str | jax.typing.ArrayLike, batch: int, names: Sequence[str]
) -> None:
  """Raises ValueError unless it is one of the names, or rows `int[B]`."""
  if isinstance(partner, str):
    if partner not in names:
      raise ValueError(
          f"partner must be one of {', '.join(names)} or an int[B] array, got"
          f" {partner!r}"
      )
    return
  given = jax.eval_shape(jnp.asarray, partner)
  if given.shape != (batch,) or not jnp.issubdtype(given.dtype, jnp.integer):
    raise ValueError(
        f"partner must be int[B] with B={batch}, one row for each, got"
        f" {given.dtype}{list(given.shape)}"
    )
  rows = host_values(partner)
  if rows is not None and not np.all((rows >= 0) & (rows < batch)):
    raise ValueError(f"partner must hold rows in [0, {batch}), got {partner}")

"""How much of each pseudo-label is believed: a part of FixMatch.

A threshold is three functions of a memory, a dict of arrays that is the same on
all devices. `THRESHOLDS` holds them by the name a configuration gives them.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

Memory = dict[str, jax.Array]


class Threshold(NamedTuple):
  """Pure functions; K classes, N unlabelled examples, B rows of a batch.

  Attributes:
    init: `(K, N) -> memory`.
    weigh: `(memory, probs, seen) -> weights [B]`, of rows with the predictions
      `probs [B, K]`, which are of this device; `seen` is what `update` takes.
    update: `(memory, seen) -> memory`, of all rows of the global batch,
      `seen = {"probs": [B, K], "index": int[B]}`.
    penalty: `(memory, logits, weights) -> scalar`, an own term of the loss, of
      the strong views.
  """

  init: Callable[[int, int], Memory]
  weigh: Callable[[Memory, jax.Array, dict[str, jax.Array]], jax.Array]
  update: Callable[[Memory, dict[str, jax.Array]], Memory]
  penalty: Callable[..., Any] = lambda memory, logits, weights: 0.0


def fixed(*, tau: float = 0.95) -> Threshold:
  """FixMatch (arXiv 2001.07685): `1[max p >= tau]`.

  Args:
    tau: The threshold.

  Returns:
    The threshold.

  Raises:
    ValueError: For tau outside (0, 1].
  """
  check_share("tau", tau)

  def weigh(memory, probs, seen):
    del memory, seen
    return (jnp.max(probs, axis=1) >= tau).astype(jnp.float32)

  return Threshold(lambda classes, size: {}, weigh, lambda memory, seen: memory)


def check_share(name: str, value: float) -> None:
  """Raises ValueError unless the value lies in (0, 1]."""
  if not 0 < value <= 1:
    raise ValueError(f"{name} must lie in (0, 1], got {value}")


THRESHOLDS = {"fixed": fixed}

"""What the thresholds of pseudo-labels share."""

from collections.abc import Callable
from typing import NamedTuple

import jax

Memory = dict[str, jax.Array]


class Threshold(NamedTuple):
  """Pure functions; K classes, N unlabelled examples, B rows of a batch.

  The memory is the same on all devices.

  Attributes:
    init: `(K, N) -> memory`.
    weigh: `(memory, probs, seen) -> weights [B]`, of rows with the predictions
      `probs [B, K]`, which are of this device; `seen` is what `update` takes.
    update: `(memory, seen) -> memory`, of all rows of the global batch,
      `seen = {"probs": [B, K], "index": int[B]}`.
    penalty: `(memory, logits [B, K], weights [B]) -> scalar`, an own term of
      the loss, of the updated memory and the strong views of the global batch.
  """

  init: Callable[[int, int], Memory]
  weigh: Callable[[Memory, jax.Array, dict[str, jax.Array]], jax.Array]
  update: Callable[[Memory, dict[str, jax.Array]], Memory]
  penalty: Callable[..., jax.typing.ArrayLike] = (
      lambda memory, logits, weights: 0.0
  )


def check_share(name: str, value: float) -> None:
  """Raises ValueError unless the value lies in (0, 1]."""
  if not 0 < value <= 1:
    raise ValueError(f"{name} must lie in (0, 1], got {value}")


def check_decay(value: float) -> None:
  """Raises ValueError unless the decay lies in (0, 1)."""
  if not 0 < value < 1:
    raise ValueError(f"decay must lie in (0, 1), got {value}")

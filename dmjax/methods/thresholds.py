"""How much of each pseudo-label is believed: a part of FixMatch.

A threshold is a few functions of a memory. `THRESHOLDS` holds them by the name
that a configuration gives them.
"""

import jax.numpy as jnp

from dmjax.methods.thresholds_base import check_share
from dmjax.methods.thresholds_base import Threshold
from dmjax.methods.thresholds_flex import flexmatch
from dmjax.methods.thresholds_free import freematch
from dmjax.methods.thresholds_soft import softmatch


def fixed(*, tau: float = 0.95) -> Threshold:
  """FixMatch (arXiv 2001.07685): `1[max p >= tau]`.

  Args:
    tau: The threshold.

  Returns:
    The threshold, without memory.

  Raises:
    ValueError: For tau outside (0, 1].
  """
  check_share("tau", tau)

  def weigh(memory, probs, seen):
    del memory, seen
    return (jnp.max(probs, axis=1) >= tau).astype(jnp.float32)

  return Threshold(lambda classes, size: {}, weigh, lambda memory, seen: memory)


THRESHOLDS = {
    "fixed": fixed,
    "flexmatch": flexmatch,
    "freematch": freematch,
    "softmatch": softmatch,
}

__all__ = (
    "THRESHOLDS",
    "Threshold",
    "fixed",
    "flexmatch",
    "freematch",
    "softmatch",
)

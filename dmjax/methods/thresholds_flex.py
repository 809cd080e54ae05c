"""FlexMatch: a threshold for each class, lower where less has been learned."""

import jax
import jax.numpy as jnp

from dmjax.methods.thresholds_base import check_share
from dmjax.methods.thresholds_base import Threshold


def flexmatch(*, tau: float = 0.95, warmup: bool = True) -> Threshold:
  """FlexMatch (arXiv 2110.08263): classes that are learned less ask for less.

      1[ max p >= tau beta_c / (2 - beta_c) ],     c = argmax p
      beta_c = n_c / max(max_k n_k, n_none)

  n_c is the number of unlabelled examples whose last prediction above tau was
  c, and n_none that of examples without one. A batch is weighed by what was
  known before it; the update asks for the fixed tau.

  As in the published code, beta stays as it was while one value covers all
  examples: it is 0, and every pseudo-label is believed, until the first passes
  tau. Of an example that comes twice in a batch the last prediction above tau
  counts.

  Args:
    tau: The threshold of a class that is learned as well as any.
    warmup: Whether n_none takes part in the maximum, which keeps thresholds low
      while most examples are unused.

  Returns:
    The threshold. Its memory is `selected`, `int32[N]`, -1 for none, and
    `beta`, `float32[K]`.

  Raises:
    ValueError: For tau outside (0, 1].
  """
  check_share("tau", tau)

  def init(classes, size):
    selected = jnp.full((size,), -1, jnp.int32)
    return {"selected": selected, "beta": jnp.zeros((classes,))}

  def weigh(memory, probs, seen):
    del seen
    beta = memory["beta"][jnp.argmax(probs, axis=1)]
    passes = jnp.max(probs, axis=1) >= tau * beta / (2 - beta)
    return passes.astype(jnp.float32)

  def update(memory, seen):
    selected = _select(memory["selected"], seen["index"], seen["probs"], tau)
    beta = _learned(selected, memory["beta"], warmup)
    return {"selected": selected, "beta": beta}

  return Threshold(init, weigh, update)


def _select(
    selected: jax.Array, index: jax.Array, probs: jax.Array, tau: float
) -> jax.Array:
  """Notes predictions above tau, under the index of their examples."""
  confident = jnp.max(probs, axis=1) >= tau
  # The order in which a scatter writes is undefined, its maximum is not.
  rows = jnp.arange(len(index), dtype=selected.dtype)
  rows = jnp.where(confident, rows, -1)
  last = jnp.full_like(selected, -1).at[index].max(rows)
  labels = jnp.argmax(probs, axis=1).astype(selected.dtype)
  return jnp.where(last >= 0, labels[last], selected)


def _learned(selected: jax.Array, beta: jax.Array, warmup: bool) -> jax.Array:
  """beta, `[K]`; that of before while one value covers all examples."""
  counts = jnp.bincount(selected + 1, length=beta.size + 1)
  most = jnp.max(counts if warmup else counts[1:])
  covered = jnp.max(counts) == selected.size
  return jnp.where(covered, beta, counts[1:] / jnp.maximum(most, 1))

"""SoftMatch: weights that fall off smoothly below the mean confidence."""

import jax
import jax.numpy as jnp
import optax

from dmjax.methods.thresholds_base import check_decay
from dmjax.methods.thresholds_base import Threshold


def softmatch(*, decay: float = 0.999, n_sigma: float = 2.0) -> Threshold:
  """SoftMatch (arXiv 2301.10921): a truncated Gaussian instead of a threshold.

      w = exp( -n^2 min(max q - mu, 0)^2 / (2 var) ),     q = N(p / p~)

  q is p aligned to a uniform distribution of the classes, N() normalises to sum
  1. p~, mu and var are running averages of p and of the mean and the unbiased
  variance of max q, which see a batch before they weigh it; p~ begins with the
  first batch, mu with 1 / K and var with 1. The pseudo-label is argmax p.
  This is the form of USB; TorchSSL aligns to the labelled predictions and takes
  mu and var from p.

  Args:
    decay: Of the running averages.
    n_sigma: n; the larger, the less is believed below the mean.

  Returns:
    The threshold. Its memory is `p_model`, `float32[K]`, 0 before the first
    batch, `mean` and `variance`, `float32[]`.

  Raises:
    ValueError: For a decay outside (0, 1) and an n_sigma that is not positive.
  """
  check_decay(decay)
  if not n_sigma > 0:
    raise ValueError(f"n_sigma must be > 0, got {n_sigma}")

  def init(classes, size):
    del size
    mean, variance = jnp.full((), 1 / classes, float), jnp.ones(())
    return {
        "p_model": jnp.zeros((classes,)), "mean": mean, "variance": variance
    }

  def update(memory, seen):
    now = jnp.mean(seen["probs"], axis=0)
    before = jnp.where(jnp.any(memory["p_model"] > 0), memory["p_model"], now)
    p_model = optax.incremental_update(now, before, 1 - decay)
    top = jnp.max(_align(seen["probs"], p_model), axis=1)
    # One row has no unbiased variance.
    moments = jnp.mean(top), jnp.var(top, ddof=min(1, top.size - 1))
    mean, variance = optax.incremental_update(
        moments, (memory["mean"], memory["variance"]), 1 - decay
    )
    return {"p_model": p_model, "mean": mean, "variance": variance}

  def weigh(memory, probs, seen):
    memory = update(memory, seen)
    top = jnp.max(_align(probs, memory["p_model"]), axis=1)
    below = n_sigma * jnp.minimum(top - memory["mean"], 0.0)
    # Where confidence is equal for long, the variance ends at 0, and rounding
    # must not look like a lack of it.
    return jnp.exp(-(below**2) / (2 * memory["variance"] + 1e-12))

  return Threshold(init, weigh, update)


def _align(probs: jax.Array, p_model: jax.Array) -> jax.Array:
  """Predictions `[B, K]` as if their mean were uniform."""
  uniform = 1 / p_model.size
  scaled = probs * ((uniform + 1e-6) / (p_model[None] + 1e-6))
  return scaled / jnp.sum(scaled, axis=1, keepdims=True)

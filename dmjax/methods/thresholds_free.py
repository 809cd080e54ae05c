"""FreeMatch: thresholds from running averages of the predictions."""

import jax
import jax.numpy as jnp
import optax

from dmjax.methods.thresholds_base import check_decay
from dmjax.methods.thresholds_base import Threshold

# Of the published code: which quantile, and where the clip is.
_QUANTILE = 0.8
_CLIP = 0.95


def freematch(
    *,
    decay: float = 0.999,
    quantile: bool = False,
    clip: bool = False,
    fairness: float = 0.001,
) -> Threshold:
  """FreeMatch (arXiv 2205.07246): a threshold that rises with the confidence.

      1[ max p >= tau p~_c / max_k p~_k ],     c = argmax p
      L_f = fairness sum_c N(p~ / h)_c log N(p^ / h^)_c

  tau, p~ and h are running averages of max p, of p and of the histogram of
  argmax p, which begin uniform and see a batch before they weigh it. p^ and h^
  are the mean and the histogram of the believed strong views, N() normalises to
  sum 1. The fairness term asks their mean to spread over the classes; a class
  that none of them predicts adds a constant, and the term is 0 if none is
  believed.

  Args:
    decay: Of the running averages.
    quantile: Whether tau averages the 0.8 quantile instead of the mean.
    clip: Whether tau stays below 0.95, as published for SVHN.
    fairness: Weight of L_f; 0 for none.

  Returns:
    The threshold. Its memory is `tau`, `float32[]`, `p_model` and `histogram`,
    `float32[K]`.

  Raises:
    ValueError: For a decay outside (0, 1) and a negative fairness.
  """
  check_decay(decay)
  if not fairness >= 0:
    raise ValueError(f"fairness must be >= 0, got {fairness}")

  def update(memory, seen):
    memory = optax.incremental_update(
        _statistics(seen["probs"], quantile), memory, 1 - decay
    )
    tau = jnp.minimum(memory["tau"], _CLIP) if clip else memory["tau"]
    return memory | {"tau": tau}

  def weigh(memory, probs, seen):
    memory = update(memory, seen)
    model = memory["p_model"] / jnp.max(memory["p_model"])
    tau = memory["tau"] * model[jnp.argmax(probs, axis=1)]
    return (jnp.max(probs, axis=1) >= tau).astype(jnp.float32)

  def penalty(memory, logits, weights):
    return fairness * _unfairness(memory, logits, weights)

  return Threshold(_uniform, weigh, update, penalty)


def _uniform(classes, size):
  del size
  vector = lambda: jnp.full((classes,), 1 / classes, float)
  tau = jnp.full((), 1 / classes, float)
  return {"tau": tau, "p_model": vector(), "histogram": vector()}


def _statistics(probs: jax.Array, quantile: bool) -> dict[str, jax.Array]:
  """Of one batch `[B, K]`, what the memory averages."""
  top = jnp.max(probs, axis=1)
  return {
      "tau": jnp.quantile(top, _QUANTILE) if quantile else jnp.mean(top),
      "p_model": jnp.mean(probs, axis=0),
      "histogram": jnp.mean(_hits(probs), axis=0),
  }


def _unfairness(
    memory: dict[str, jax.Array], logits: jax.Array, weights: jax.Array
) -> jax.Array:
  """L_f without its weight; no gradient flows through the histogram."""
  probs, rows = jax.nn.softmax(logits), weights[:, None]
  histogram = jnp.sum(rows * _hits(probs), axis=0)
  model = _normalise(_ratio(memory["p_model"], memory["histogram"]))
  batch = _normalise(_ratio(jnp.sum(rows * probs, axis=0), histogram))
  value = jnp.sum(model * jnp.log(batch + 1e-12))
  return jnp.where(jnp.sum(weights) > 0, value, 0.0)


def _hits(probs):
  """One-hot predictions, `[B, K]`."""
  return jax.nn.one_hot(jnp.argmax(probs, axis=1), probs.shape[1])


def _ratio(a, b):
  """`a / b`, and 0 where b is."""
  return jnp.where(b > 0, a, 0.0) / jnp.where(b > 0, b, 1.0)


def _normalise(x):
  """To sum 1, or 0 where all are 0."""
  return _ratio(x, jnp.sum(x, keepdims=True))

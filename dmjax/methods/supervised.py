"""Supervised training on mixed batches."""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from dmjax import mixers
from dmjax.methods import base


def supervised(
    model: nn.Module,
    mixer: Callable[..., mixers.Mixed],
    loss: Callable[..., jax.Array],
    *,
    ema_decay: float = 0.0,
) -> base.Method:
  """Trains a classifier on mixed images with a mixup loss.

  Args:
    model: `model(images, train=...)` to logits.
    mixer: `mixer(key, images) -> Mixed`.
    loss: `loss(logits, labels, weights) -> [B]`.
    ema_decay: Decay of a running average of parameters and batch statistics,
      which evaluation then uses; 0 for none.

  Returns:
    The method. A batch holds `image`, `float32[B, H, W, C]`, and `label`,
    `int32[B]`.
  """
  if not 0 <= ema_decay < 1:
    raise ValueError(f"ema_decay must lie in [0, 1), got {ema_decay}")

  def init(key, batch):
    variables = model.init(key, batch["image"][:1], train=False)
    params = variables.pop("params")
    ema = (params, variables) if ema_decay else None
    # The average is a copy: the step donates the state it is given.
    ema = jax.tree.map(jnp.copy, ema)
    return base.TrainState(jnp.int32(0), params, variables, ema=ema)

  def loss_fn(params, state, batch, key):
    mix_key, model_key = jax.random.split(key)
    mixed = mixer(mix_key, batch["image"])
    labels = batch["label"][mixed.sources]
    logits, model_state = model.apply(
        {"params": params, **state.model_state},
        mixed.x,
        train=True,
        mutable=list(state.model_state),
        rngs={"dropout": model_key},
    )
    losses = loss(logits, labels, mixed.weights)
    metrics = {
        "loss": (losses.sum(), losses.size),
        "accuracy": mixed_accuracy(logits, labels, mixed.weights),
    }
    return losses.mean(), (model_state, metrics)

  def after_update(state):
    return base.update_ema(state, ema_decay)

  def predict(state, images):
    averaged = state.ema or (state.params, state.model_state)
    params, model_state = averaged
    return model.apply({"params": params, **model_state}, images, train=False)

  return base.Method(init, loss_fn, after_update, predict)


def mixed_accuracy(
    logits: jax.Array, labels: jax.Array, weights: jax.Array
) -> tuple[jax.Array, int]:
  """Sum and count of `sum_k w_k [argmax z = y_k]`, for integer labels."""
  hits = jnp.argmax(logits, -1)[:, None] == labels
  return jnp.sum(hits * weights), logits.shape[0]

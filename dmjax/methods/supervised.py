"""Supervised training on mixed batches."""

from collections.abc import Callable, Sequence
import functools

import flax.core
import flax.linen as nn
import jax
import jax.numpy as jnp

from dmjax import mixers
from dmjax.methods import base
from dmjax.methods import guidance


def supervised(
    model: nn.Module,
    mixer: Callable[..., mixers.Mixed],
    loss: Callable[..., jax.Array],
    *,
    ema_decay: float = 0.0,
    saliency: str = "input_gradient",
    mean: Sequence[float] = (0.0,),
    std: Sequence[float] = (1.0,),
) -> base.Method:
  """Trains a classifier on mixed images with a mixup loss.

  Guided mixers get what they ask for by the names of their options, see
  `dmjax.methods.guidance`; hidden-layer mixers act through the hook of the
  model.

  Args:
    model: `model(images, train=...)` to logits.
    mixer: `mixer(key, images) -> Mixed`.
    loss: `loss(logits, labels, weights) -> [B]`.
    ema_decay: Decay of a running average of parameters and batch statistics,
      which evaluation then uses; 0 for none.
    saliency: What guides a mixer that asks for saliency: `input_gradient`,
      `spectral_residual` or `fine_grained`.
    mean: Of the normalisation of the images, for the latter two.
    std: Likewise.

  Returns:
    The method. A batch holds `image`, `float32[B, H, W, C]`, and `label`,
    `int32[B]`.

  Raises:
    ValueError: For a decay outside [0, 1) or an unknown saliency.
  """
  if not 0 <= ema_decay < 1:
    raise ValueError(f"ema_decay must lie in [0, 1), got {ema_decay}")
  wanted = guidance.asked(mixer)
  guide = guidance.make_guide(
      model, mixer, saliency=saliency, mean=mean, std=std
  )

  def init(key, batch, variables=None):
    if variables is None:
      variables = model.init(key, batch["image"][:1], train=False)
    variables, params = flax.core.pop(variables, "params")
    ema = (params, variables) if ema_decay else None
    # The average is a copy: the step donates the state it is given.
    ema = jax.tree.map(jnp.copy, ema)
    return base.TrainState(jnp.int32(0), params, variables, ema=ema)

  def forward(variables, mixed, hook, key):
    """Logits, attention if the labels need it, and the new model state."""
    out, model_state = model.apply(
        variables,
        mixed.x,
        train=True,
        hook=hook,
        features="attention" if wanted.after else None,
        mutable=[name for name in variables if name != "params"],
        rngs={"dropout": key},
    )
    logits, attention = out if wanted.after else (out, None)
    return logits, attention, model_state

  def loss_fn(params, state, batch, key):
    mix_key, model_key = jax.random.split(key)
    variables = {"params": params, **state.model_state}
    maps = guide(jax.lax.stop_gradient(variables), batch)
    mix = functools.partial(mixer, mix_key, **maps)
    hook = (lambda stage, x: mix(x, stage=stage).x) if wanted.hidden else None
    mixed = mix(batch["image"])
    # The hook of a hidden-layer mixer sees the input too, as stage 0.
    shown = mixed._replace(x=batch["image"]) if wanted.hidden else mixed
    logits, attention, model_state = forward(variables, shown, hook, model_key)
    labels = batch["label"][mixed.sources]
    if wanted.after:
      made = {
          "attention": attention,
          "progress": guidance.progress(logits, labels, mixed.weights),
      }
      made = {name: made[name] for name in wanted.after}
      # The same mix again, with weights that know how the model saw it.
      mixed = mix(batch["image"], **made)
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

"""Supervised training on mixed batches."""

from collections.abc import Callable
import functools

import jax
import jax.numpy as jnp

from dmjax import mixers
from dmjax import names
from dmjax.methods import base
from dmjax.methods import guidance as guidance_lib
from dmjax.models import model_state
from dmjax.models import Network


def supervised(
    network: Network,
    mixer: Callable[..., mixers.Mixed],
    loss: Callable[..., jax.Array],
    *,
    guidance: mixers.Guidance | None = None,
    ema_decay: float = 0.0,
    saliency: str = "input_gradient",
) -> base.Method:
  """Trains a classifier on mixed images with a mixup loss.

  Guided mixers are given what they need by the names of their options, see
  `dmjax.methods.guidance`; hidden-layer mixers act through the hook of the
  network.

  Args:
    network: To logits.
    mixer: `mixer(key, images) -> Mixed`.
    loss: `loss(logits, labels, weights) -> [B]`.
    guidance: What the mixer needs; looked up in the table of mixers where None.
    ema_decay: Decay of a running average of parameters and batch statistics,
      which evaluation then uses; 0 for none.
    saliency: What guides a mixer that asks for saliency: `input_gradient`,
      `spectral_residual` or `fine_grained`.

  Returns:
    The method. A batch holds `x`, in [0, 1], and `label`, `int32[B]`.

  Raises:
    ValueError: For a decay outside [0, 1), an unknown saliency, or a mixer that
      the table does not hold, without `guidance`.
  """
  if not 0 <= ema_decay < 1:
    raise ValueError(f"ema_decay must lie in [0, 1), got {ema_decay}")
  needs = mixers.guidance_of(mixer) if guidance is None else guidance
  guide = guidance_lib.make_guide(network, needs, saliency=saliency)

  def init(key, batch, variables=None):
    if variables is None:
      variables = network.init(key, batch["x"][:1])
    params, rest = variables["params"], model_state(variables)
    ema = (params, rest) if ema_decay else None
    # The average is a copy: the step donates the state it is given.
    ema = jax.tree.map(jnp.copy, ema)
    return base.TrainState(jnp.int32(0), params, rest, ema=ema)

  def loss_fn(params, state, batch, key):
    mix_key, model_key = jax.random.split(key)
    now = {"params": params, **state.model_state}
    maps = guide(jax.lax.stop_gradient(now), batch)
    mix = functools.partial(mixer, mix_key, **maps)
    mixed = mix(batch["x"])
    logits, attention, state_after = _forward(
        network, needs, now, batch["x"], mixed, mix, model_key
    )
    labels = batch["label"][mixed.sources]
    if needs.after:
      made = {
          "attention": attention,
          "progress": guidance_lib.progress(logits, labels, mixed.weights),
      }
      # The same mix again, with weights that know how the network saw it.
      mixed = mix(batch["x"], **{name: made[name] for name in needs.after})
    losses = loss(logits, labels, mixed.weights)
    metrics = {
        "loss": (losses.sum(), losses.size),
        "accuracy": mixed_accuracy(logits, labels, mixed.weights),
    }
    return losses.mean(), base.Aux(state_after, metrics)

  def after_update(state, carried):
    del carried
    return base.update_ema(state, ema_decay)

  def variables(state):
    params, rest = state.ema or (state.params, state.model_state)
    return {"params": params, **rest}

  def predict(state, batch):
    return network.predict(variables(state), batch["x"])

  return base.Method(
      network, init, loss_fn, after_update, predict, variables,
      note=guidance_lib.cost(needs, saliency),
  )


def make(parts: base.Parts, **options) -> base.Method:
  """The method of a run; options are those of `supervised`."""
  spec = {"name": "supervised", **options}
  configured = names.configure("method", {"supervised": supervised}, spec)
  return configured(
      parts.network(parts.num_classes), parts.mixer, parts.loss,
      guidance=parts.guidance,
  )


def _forward(network, needs, variables, x, mixed, mix, key):
  """Logits, attention if the labels need it, and the new model state."""
  # The hook of a hidden-layer mixer sees the input too, as stage 0.
  hook = (lambda stage, x: mix(x, stage=stage).x) if needs.hidden else None
  out, state = network.train(
      variables, x if needs.hidden else mixed.x, key, hook=hook,
      features="attention" if needs.after else None,
  )
  logits, attention = out if needs.after else (out, None)
  return logits, attention, state


def mixed_accuracy(
    logits: jax.Array, labels: jax.Array, weights: jax.Array
) -> tuple[jax.Array, int]:
  """Sum and count of `sum_k w_k [argmax z = y_k]`, for integer labels."""
  hits = jnp.argmax(logits, -1)[:, None] == labels
  return jnp.sum(hits * weights), logits.shape[0]

"""Supervised training on mixed batches."""

from collections.abc import Callable
import functools
import math

import jax
import jax.numpy as jnp

from dmjax import mixers
from dmjax import names
from dmjax.methods import base
from dmjax.methods import guidance as guidance_lib
from dmjax.methods import regions as regions_lib
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
    teacher: guidance_lib.Teacher | None = None,
    regions: bool = False,
    until: int | None = None,
    start: int = 0,
    label_power: float = 1.0,
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
    teacher: What guides a mixer that asks for features, class activation maps
      or attention of the images; the network itself where None. Its variables
      are part of the state, in `extra`, and stay as they are.
    regions: Add the loss of SMMix, see `regions.region_terms`: one extra
      forward pass, which the attention of the images shares where they have no
      teacher. For vision transformers.
    until: Step from which on images are not mixed any more, timm's
      `mixup_off_epoch`; None for never. What mixing costs, it costs to the end.
    start: Step from which on images are mixed.
    label_power: p: labels are mixed by `w^p`, made to sum to 1 again, where
      images are mixed by w (arXiv 2303.08433: shares of images and labels may
      differ). 1 for w itself, near 0 for labels of equal shares.

  Returns:
    The method. A batch holds `x`, in [0, 1], and `label`, `int32[B]`.

  Raises:
    ValueError: For a decay outside [0, 1), a power that is not positive, an
      unknown saliency, a mixer that the table does not hold, without
      `guidance`, and options that do not fit the mixer.
  """
  if not 0 <= ema_decay < 1:
    raise ValueError(f"ema_decay must lie in [0, 1), got {ema_decay}")
  if not 0 < label_power < math.inf:
    raise ValueError(f"label_power must be positive, got {label_power}")
  needs = mixers.guidance_of(mixer) if guidance is None else guidance
  if regions and (needs.after or needs.hidden):
    raise ValueError(
        "regions=True needs a mixer that pastes and whose labels are known"
        " before the forward pass, such as 'smmix'"
    )
  guide = guidance_lib.make_guide(
      network, needs, saliency=saliency, teacher=teacher
  )

  def init(key, batch, variables=None):
    if variables is None:
      variables = network.init(key, batch["x"][:1])
    params, rest = variables["params"], model_state(variables)
    ema = (params, rest) if ema_decay else None
    # The average is a copy: the step donates the state it is given.
    ema = jax.tree.map(jnp.copy, ema)
    extra = {"teacher": teacher.variables} if teacher else None
    extra = jax.tree.map(jnp.array, extra)
    return base.TrainState(jnp.int32(0), params, rest, ema=ema, extra=extra)

  def loss_fn(params, state, batch, key):
    mix_key, model_key = jax.random.split(key)
    now = {"params": params, **state.model_state}
    taught = state.extra["teacher"] if teacher else None
    still = jax.lax.stop_gradient(now)
    maps = guide(still, batch, taught)
    mix = functools.partial(mixer, mix_key, **maps)
    if start or until is not None:
      mix = _while(_is_between(state.step, start, until), mix)
    mixed = mix(batch["x"])
    logits, beside, state_after = _forward(
        network, _beside(needs, regions), now, batch["x"], mixed,
        mix if needs.hidden else None, model_key,
    )
    labels = batch["label"][mixed.sources]
    if needs.after:
      made = guidance_lib.attention_of(beside) | {
          "progress": guidance_lib.progress(logits, labels, mixed.weights),
      }
      # The same mix again, with weights that know how the network saw it.
      mixed = mix(batch["x"], **{name: made[name] for name in needs.after})
    mixed = mixed._replace(weights=_power(mixed.weights, label_power))
    losses = loss(logits, labels, mixed.weights)
    if regions:
      clean = network.predict(still, batch["x"])
      losses += regions_lib.region_terms(
          loss, params["head"], beside, clean, logits, mixed, labels
      )
    metrics = {
        "loss": (losses.sum(), losses.size),
        "accuracy": mixed_accuracy(logits, labels, mixed.weights),
    }
    return losses.mean(), base.Aux(state_after, metrics, losses=losses)

  def after_update(state, carried):
    del carried
    return base.update_ema(state, ema_decay)

  def variables(state):
    params, rest = state.ema or (state.params, state.model_state)
    return {"params": params, **rest}

  def predict(state, batch):
    return network.predict(variables(state), batch["x"])

  notes = [guidance_lib.cost(needs, saliency, teacher)]
  notes += ["regions of mixed images: one extra forward pass"] * regions
  return base.Method(
      network, init, loss_fn, after_update, predict, variables,
      note="; ".join(filter(None, notes)),
  )


def make(
    parts: base.Parts, *, teacher: str = "", until: str = "100 %",
    start: str = "0 %", **options,
) -> base.Method:
  """The method of a run.

  Args:
    parts: What the run gives.
    teacher: The workdir of a run, or a `.safetensors` file in timm's layout that
      is named after its network, as `resnet50.safetensors`; empty for none.
    until: How long images are mixed.
    start: When that starts.
    **options: Others of `supervised`.

  Returns:
    The method.

  Raises:
    ValueError: For a teacher that cannot be read or has other classes than a
      class activation map needs, and as `supervised`.
  """
  spec = {"name": "supervised", **options}
  configured = names.configure("method", {"supervised": supervised}, spec)
  first, steps = (
      parts.steps("method.start", start), parts.steps("method.until", until)
  )
  return configured(
      parts.network(parts.num_classes), parts.mixer, parts.loss,
      guidance=parts.guidance, teacher=guidance_lib.teacher_of(parts, teacher),
      until=steps if steps < parts.total_steps else None, start=first,
  )


def _is_between(step, start, until):
  return step >= start if until is None else (step >= start) & (step < until)


def _while(on, mix):
  """The mixer while `on`, then the images as they are."""

  def switched(x, **options):
    mixed = mix(x, **options)
    rows = jnp.arange(x.shape[0], dtype=jnp.int32)[:, None]
    plain = mixers.Mixed(
        x,
        jnp.broadcast_to(rows, mixed.sources.shape),
        jnp.zeros_like(mixed.weights).at[:, 0].set(1.0),
        None if mixed.mask is None else jnp.ones_like(mixed.mask),
    )
    return jax.tree.map(functools.partial(jnp.where, on), mixed, plain)

  return switched


def _power(weights, power):
  """`w^p / sum w^p`; 0 stays 0."""
  if power == 1:
    return weights
  powers = weights**power
  return powers / jnp.sum(powers, axis=1, keepdims=True)


def _beside(needs, regions):
  """What the forward pass returns beside the logits."""
  if "attentions" in needs.after:
    return "attentions"
  return "attention" if needs.after else "tokens" if regions else None


def _forward(network, features, variables, x, mixed, mix, key):
  """Logits, the features if any, and the new model state.

  `mix` is that of a hidden-layer mixer, or None.
  """
  # The hook of a hidden-layer mixer sees the input too, as stage 0.
  hook = (lambda stage, x: mix(x, stage=stage).x) if mix else None
  try:
    out, state = network.train(
        variables, x if mix else mixed.x, key, hook=hook, features=features
    )
  except ValueError as error:
    if features != "tokens":
      raise
    raise ValueError(
        f"regions=True needs a vision transformer: {error}"
    ) from None
  logits, beside = out if features else (out, None)
  return logits, beside, state


def mixed_accuracy(
    logits: jax.Array, labels: jax.Array, weights: jax.Array
) -> tuple[jax.Array, int]:
  """Sum and count of `sum_k w_k [argmax z = y_k]`, for integer labels."""
  hits = jnp.argmax(logits, -1)[:, None] == labels
  return jnp.sum(hits * weights), logits.shape[0]

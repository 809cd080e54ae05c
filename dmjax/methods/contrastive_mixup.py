"""Contrastive mixup: speakers told apart by embeddings of mixed utterances."""

from collections.abc import Callable
import functools
import math

import jax
import jax.numpy as jnp

from dmjax import losses
from dmjax import mixers
from dmjax import names
from dmjax.methods import base
from dmjax.methods import contrast
from dmjax.methods import speaker_scores
from dmjax.methods import supervised
from dmjax.models import model_state
from dmjax.models import Network

KINDS = tuple(speaker_scores.COMPARE)


def contrastive_mixup(
    network: Network,
    mixer: Callable[..., mixers.Mixed],
    loss: Callable[..., jax.Array],
    *,
    num_classes: int,
    per_class: int,
    kind: str = "prototypical",
    scale: float | None = None,
    offset: float = -5.0,
    margin: float = 0.2,
    momentum: float = 0.9,
    ema_decay: float = 0.0,
    guidance: mixers.Guidance | None = None,
) -> base.Method:
  """Contrastive-mixup (arXiv 2202.10672), reconstructed from its abstract.

  A batch holds U utterances of each of P speakers, side by side. Utterances are
  mixed with those of another speaker, and the mixed ones are compared with each
  speaker by a `loss` of mixed labels, so with the decoupled one as well:

  * `prototypical`: the first utterance of each speaker is mixed with the first
    of another; prototypes are the means of the U - 1 others, as they are.
  * `ge2e`: every utterance is mixed with the one in its place of another
    speaker, see `losses.ge2e_scores`. Twice the forward pass.
  * `am_softmax`: every utterance likewise, compared with a vector learned of
    each class, see `losses.am_softmax`.

  With the mixer `identity` they are the plain losses. Partners are drawn among
  the speakers of a device, nobody his own, and so are those that a query is told
  from by `prototypical` and `ge2e`: with more devices of fewer speakers each
  these two have an easier task.

  Evaluation compares an utterance with the vectors of the classes; where none
  are learned these are running means of the embeddings in training.

  Args:
    network: To embeddings: its head is the projection, of any size.
    mixer: Of inputs, without guidance, that can be told partners: `mixup`,
      `cutmix`.
    loss: `loss(logits, labels, weights) -> [B]`.
    num_classes: Of the data.
    per_class: U; 0 for batches of any classes, which `am_softmax` takes, with
      partners of any class.
    kind: One of the three.
    scale: Of the scores, at first: it is learned, but for `am_softmax`. 10 where
      None, and 30 for `am_softmax`.
    offset: Of the scores, at first; not of `am_softmax`.
    margin: Of `am_softmax`.
    momentum: Of the running means.
    ema_decay: As in `supervised`.
    guidance: What the mixer needs; looked up where None.

  Returns:
    The method. Its params are those of the network, and `scores` or the
    `classes`; `extra` holds the `means` of the classes.

  Raises:
    ValueError: For an unknown kind, options out of range, batches that are not
      of classes, and mixers that do not fit.
  """
  _check(kind, per_class, scale, margin, momentum, ema_decay)
  _check_mixer(mixer, guidance)
  learned = kind == "am_softmax"
  scale = scale or (30.0 if learned else 10.0)
  compare = speaker_scores.COMPARE[kind]

  def init(key, batch, variables=None):
    network_key, key = jax.random.split(key)
    if variables is None:
      variables = network.init(network_key, batch["x"][:1])
    out = jax.eval_shape(network.predict, variables, batch["x"][:1])
    of_classes = jnp.zeros((num_classes, out.shape[-1]))
    params, rest = {"network": variables["params"]}, model_state(variables)
    if learned:
      params["classes"] = jax.random.normal(key, of_classes.shape)
    else:
      log_scale = jnp.log(jnp.float32(scale))
      params["scores"] = {"log_scale": log_scale, "offset": jnp.float32(offset)}
    ema = jax.tree.map(jnp.copy, (params, rest)) if ema_decay else None
    extra = None if learned else {"means": of_classes}
    return base.TrainState(jnp.int32(0), params, rest, ema=ema, extra=extra)

  def loss_fn(params, state, batch, key):
    key, model_key = jax.random.split(key)
    variables = {"params": params["network"], **state.model_state}

    def encode(x):
      out, after = network.train(variables, x, model_key)
      return contrast.unit(out), after

    mix = functools.partial(_mix, mixer, key, per_class)
    found, after, means = compare(encode, mix, batch, per_class, params)
    scores, labels, weights = found
    if learned:
      each = losses.am_softmax(
          *found, margin=margin, scale=scale, loss=loss
      )
    else:
      each = loss(*found)
    metrics = {
        "loss": (each.sum(), each.size),
        "accuracy": supervised.mixed_accuracy(scores, labels, weights),
    }
    means = jax.lax.stop_gradient(means)
    return each.mean(), base.Aux(after, metrics, means, each)

  def after_update(state, carried):
    if not learned:
      means = _moved(state.extra["means"], *carried, momentum)
      state = state.replace(extra={"means": means})
    return base.update_ema(state, ema_decay)

  def evaluated(state):
    return state.ema or (state.params, state.model_state)

  def variables_of(state):
    params, rest = evaluated(state)
    return {"params": params["network"], **rest}

  def embed(state, x):
    return contrast.unit(network.predict(variables_of(state), x))

  def predict(state, batch):
    params, embeddings = evaluated(state)[0], embed(state, batch["x"])
    if learned:
      return scale * embeddings @ contrast.unit(params["classes"]).T
    means = state.extra["means"]
    cosines = embeddings @ contrast.unit(means).T
    # A class that was never met is like no utterance.
    cosines = jnp.where(jnp.any(means, axis=1)[None], cosines, -1.0)
    return speaker_scores.scaled(cosines, params["scores"])

  note = "mixed utterances beside the clean ones: twice the forward pass"
  return base.Method(
      network, init, loss_fn, after_update, predict, variables_of,
      note=note if kind == "ge2e" else "", embed=embed,
  )


def make(parts: base.Parts, *, dim: int = 64, **options) -> base.Method:
  """The method of a run.

  Args:
    parts: What the run gives.
    dim: D, of the embeddings.
    **options: Others of `contrastive_mixup`.

  Returns:
    The method.

  Raises:
    ValueError: For a dimension below 1, and as `contrastive_mixup`.
  """
  if dim < 1:
    raise ValueError(f"dim must be >= 1, got {dim}")
  spec = {"name": "contrastive_mixup", **options}
  table = {"contrastive_mixup": contrastive_mixup}
  return names.configure("method", table, spec)(
      parts.network(dim), parts.mixer, parts.loss,
      num_classes=parts.num_classes, per_class=parts.per_class,
      guidance=parts.guidance,
  )


def _check(kind, per_class, scale, margin, momentum, ema_decay):
  if kind not in KINDS:
    raise ValueError(f"unknown kind {kind!r}; {names.suggest(kind, KINDS)}")
  if kind != "am_softmax" and per_class < 2:
    raise ValueError(
        f"kind={kind!r} needs batches with 2 examples of each class or more, got"
        f" {per_class}: set --config.data.per_class=10"
    )
  if scale is not None and not 0 < scale < math.inf:
    raise ValueError(f"scale must be > 0 and finite, got {scale}")
  if not 0 <= margin < math.inf:
    raise ValueError(f"margin must be >= 0 and finite, got {margin}")
  for name, value in (("momentum", momentum), ("ema_decay", ema_decay)):
    if not 0 <= value < 1:
      raise ValueError(f"{name} must lie in [0, 1), got {value}")


def _check_mixer(mixer, guidance):
  needs = mixers.guidance_of(mixer) if guidance is None else guidance
  guided = needs.before or needs.after or needs.hidden
  if guided or "partner" not in mixers.options_of(mixer):
    raise ValueError(
        "contrastive_mixup needs a mixer of inputs, without guidance, that can be"
        " told partners, such as 'mixup' or 'cutmix'"
    )


def _mix(mixer, key, per_class, x, width):
  """Mixes rows with those of another speaker, `width` rows of each."""
  if not per_class:
    return mixer(key, x)
  partner_key, key = jax.random.split(key)
  speakers = len(x) // width
  order = jax.random.permutation(partner_key, speakers)
  partner = jnp.zeros_like(order).at[order].set(jnp.roll(order, -1))
  rows = partner[:, None] * width + jnp.arange(width)[None]
  return mixer(key, x, partner=rows.reshape(-1))


def _moved(means, embeddings, labels, momentum):
  """The means, those of the classes of a batch moved towards theirs."""
  marks = jax.nn.one_hot(labels, len(means))
  count = jnp.sum(marks, axis=0)[:, None]
  batch = marks.T @ embeddings / jnp.maximum(count, 1)
  met = jnp.any(means, axis=1, keepdims=True)
  rate = jnp.where(met, 1 - momentum, 1.0) * (count > 0)
  return means + rate * (batch - means)

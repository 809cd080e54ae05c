"""Self-Tuning: pseudo-labels that name a group of positives, not a class."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from dmjax import names
from dmjax.methods import base
from dmjax.methods import contrast
from dmjax.methods import guidance
from dmjax.methods import semi
from dmjax.methods import semi_mixing
from dmjax.models import model_state
from dmjax.models import Network
from dmjax.models.projector import of_projector
from dmjax.parallel import AXIS

# The keys of a step go into the queue in this order.
STREAMS = ("labelled", "unlabelled")
_VIEWS = {
    "labelled": {"x": "strong", "x2": "strong"},
    "unlabelled": {"query": "strong", "key": "strong"},
}
_NOTE = "keys: a forward pass over a second view of all images"


def self_tuning(
    network: Network,
    projector: Network,
    *,
    num_classes: int,
    total_steps: int,
    queue_size: int = 32,
    temperature: float = 0.07,
    momentum: float = 0.999,
    mixing: semi_mixing.Mixing | None = None,
    axis_name: str | None = None,
) -> base.Method:
  """Self-Tuning (arXiv 2102.12903), with decoupled mixup (2203.10761) if asked.

      L = CE(f(x), y) + PGC(x, y) + PGC(u, argmax f(u))
            + L_ll + (1 - cos(pi t / T)) / 2 L_lu

  with PGC of `contrast.group_contrast`, and the last two terms those of
  `mixing`, every pseudo-label believed. A query is the projection of the last
  stage of an image; its key that of another view, by slow copies k of network
  and projector. Labelled queries see the queue of the step before, unlabelled
  ones also the labelled keys of this step, of all devices.

  This departs from the authors' code in three ways. They move k twice a step,
  before the labelled keys and before the unlabelled ones, k <- m k + (1 - m) q.
  Here both moves come after the optimizer, k <- m^2 k + (1 - m^2) q: k is the
  same, but labelled keys are one move ahead. All queries go through the network
  together, and so do all keys, so labelled, unlabelled and mixed images share
  batch statistics. Pseudo-labels come from the pass of the queries, where they
  make one more.

  Args:
    network: To logits, of one head or of two side by side (`mixing.heads`);
      pretrained, in the paper.
    projector: Of the map of the last stage, as `models.projector.of_projector`.
    num_classes: K.
    total_steps: T.
    queue_size: Keys of each class.
    temperature: Of the contrast.
    momentum: m.
    mixing: What is mixed, and its loss; None for plain Self-Tuning.
    axis_name: Axis over which the batch is spread. None for one device.

  Returns:
    The method. Its params are those of `network` and `projector`; `extra` holds
    their copies `key`, the `queue` and its `ptr`. Evaluation uses the present
    network: there is no running average.

  Raises:
    ValueError: For options out of range.
  """
  _check(queue_size, temperature, momentum)
  networks = network, projector

  def init(key, batch, variables=None):
    size = num_classes, queue_size
    return _init(networks, key, batch["x"][:1], variables, size)

  def loss(params, state, batch, key):
    labelled, unlabelled = batch["labelled"], batch["unlabelled"]
    mix_key, query_key, key_key = jax.random.split(key, 3)
    mixed = {}
    if mixing:
      mixed = mixing.mix(mix_key, labelled["x"], unlabelled["query"])
    rows = {
        "labelled": labelled["x"], "unlabelled": unlabelled["query"],
        **{name: each.x for name, each in mixed.items()},
    }
    logits, queries, rest = _encode(networks, params, state, rows, query_key)
    rows = {"labelled": labelled["x2"], "unlabelled": unlabelled["key"]}
    slow = state.extra["key"]
    _, keys, _ = _encode(networks, slow, state, rows, key_key)
    clean, pseudo = (logits[name][:, :num_classes] for name in STREAMS)
    labels, pseudo = labelled["label"], jnp.argmax(pseudo, axis=1)
    seen = dict(zip(STREAMS, zip(keys.values(), (labels, pseudo))))
    terms = {"labelled": semi.cross_entropy(clean, labels)}
    terms |= _contrasts(queries, seen, state.extra, temperature, axis_name)
    if mixing:
      terms |= mixing.losses(
          {name: logits[name] for name in mixed}, mixed, labels, pseudo,
          jnp.ones(pseudo.shape),
      )
    ramp = (1 - jnp.cos(jnp.pi * state.step / total_steps)) / 2
    scales = {"mixed_unlabelled": ramp}
    total = sum(scales.get(k, 1.0) * jnp.mean(v) for k, v in terms.items())
    metrics = {f"loss_{name}": semi.mean_of(v) for name, v in terms.items()}
    metrics |= {
        "accuracy": semi.accuracy(clean, labels),
        "loss": (total * len(labels), len(labels)),
    }
    return total, base.Aux(rest, metrics, seen)

  def after_update(state, carried):
    memory = _enqueued(state.extra, carried)
    rate = 1 - momentum**2
    slow = optax.incremental_update(state.params, memory["key"], rate)
    return state.replace(extra=memory | {"key": slow})

  def variables(state):
    return {"params": state.params["network"], **state.model_state}

  def predict(state, batch):
    return network.predict(variables(state), batch["x"])[:, :num_classes]

  def mixes(key, batch):
    pair = batch["labelled"]["x"], batch["unlabelled"]["query"]
    return {name: each.x for name, each in mixing.mix(key, *pair).items()}

  notes = [_NOTE, mixing.note if mixing else ""]
  return base.Method(
      network, init, loss, after_update, predict, variables,
      note="; ".join(filter(None, notes)), views=_VIEWS,
      mixes=mixes if mixing else None,
  )


def make(
    parts: base.Parts,
    *,
    dim: int = 1024,
    heads: int = 2,
    favour: str = "unlabelled",
    one_sided: bool = True,
    **options,
) -> base.Method:
  """The method of a run; its `mix` is `identity` for plain Self-Tuning.

  Args:
    parts: What the run gives.
    dim: Of the projections.
    heads: See `semi_mixing.mixing`, as the next two.
    favour: Likewise.
    one_sided: Likewise.
    **options: Others of `self_tuning`.

  Returns:
    The method.

  Raises:
    ValueError: For a mixer that needs guidance, and options out of range.
  """
  spec = {"name": "self_tuning", **options}
  configured = names.configure("method", {"self_tuning": self_tuning}, spec)
  mixing = semi_mixing.of_parts(
      parts, heads=heads, favour=favour, one_sided=one_sided
  )
  outputs = parts.num_classes * (mixing.heads if mixing else 1)
  return configured(
      parts.network(outputs), of_projector(dim), num_classes=parts.num_classes,
      total_steps=parts.total_steps, mixing=mixing, axis_name=AXIS,
  )


def _check(queue_size, temperature, momentum):
  if queue_size < 1:
    raise ValueError(f"queue_size must be >= 1, got {queue_size}")
  if not temperature > 0:
    raise ValueError(f"temperature must be > 0, got {temperature}")
  if not 0 <= momentum <= 1:
    raise ValueError(f"momentum must lie in [0, 1], got {momentum}")


def _init(networks, key, image, variables, size):
  network, projector = networks
  network_key, projector_key, queue_key = jax.random.split(key, 3)
  if variables is None:
    variables = network.init(network_key, image)
  # The last stage is as wide as the input of the head.
  width = variables["params"]["head"]["kernel"].shape[0]
  features = jnp.zeros((1, 1, 1, width))
  projection = projector.init(projector_key, features)
  dim = projector.predict(projection, features).shape[-1]
  queue, ptr = contrast.init_queue(queue_key, *size, dim)
  params = {
      "network": variables["params"], "projector": projection["params"]
  }
  # Copies: the step donates the state it is given.
  slow = jax.tree.map(jnp.copy, params)
  return base.TrainState(
      jnp.int32(0), params, model_state(variables),
      extra={"key": slow, "queue": queue, "ptr": ptr},
  )


def _encode(networks, params, state, rows, key):
  """Logits and unit projections by name, and the new model state."""
  network, projector = networks
  variables = {"params": params["network"], **state.model_state}
  x = jnp.concatenate(list(rows.values()))
  stage = guidance.last_stage(network, variables, x)
  (logits, maps), rest = network.train(variables, x, key, features=stage)
  projections = projector.predict({"params": params["projector"]}, maps)
  ends = np.cumsum([len(each) for each in rows.values()])[:-1]
  logits, projections = (
      dict(zip(rows, jnp.split(each, ends)))
      for each in (logits, contrast.unit(projections))
  )
  return logits, projections, rest


def _contrasts(queries, seen, memory, temperature, axis_name):
  """Both contrasts; `seen` are keys and labels by stream, of this device."""
  everywhere = semi.gather(seen["labelled"], axis_name)
  later, _ = contrast.enqueue(memory["queue"], memory["ptr"], *everywhere)
  queues = {"labelled": memory["queue"], "unlabelled": later}
  return {
      f"contrast_{name}": contrast.group_contrast(
          queries[name], *seen[name], queues[name], temperature=temperature
      )
      for name in STREAMS
  }


def _enqueued(memory, carried):
  """The memory with the keys of a step, of all devices."""
  queue, ptr = memory["queue"], memory["ptr"]
  for name in STREAMS:
    queue, ptr = contrast.enqueue(queue, ptr, *carried[name])
  return memory | {"queue": queue, "ptr": ptr}

"""RecursiveMix: the mixed images of the last step go into those of this one."""

from collections.abc import Callable
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from dmjax import losses
from dmjax import mixers
from dmjax import names
from dmjax.methods import base
from dmjax.methods import guidance as guidance_lib
from dmjax.methods.supervised import supervised
from dmjax.models import Network
from dmjax.parallel import AXIS


def recursivemix(
    network: Network,
    mixer: Callable[..., mixers.Mixed],
    loss: Callable[..., jax.Array],
    *,
    num_classes: int,
    batch_size: int,
    alpha: float = 0.5,
    weight: float = 0.1,
    per_batch: bool = False,
    guidance: mixers.Guidance | None = None,
    ema_decay: float = 0.0,
    axis_name: str | None = None,
) -> base.Method:
  """RecursiveMix (arXiv 2203.06844): images, labels and predictions recur.

      x~_t = mix(x_t, x~_{t-1}),   y~_t = (1 - s) y_t + s y~_{t-1}
      L = loss(f(x~_t), y~_t) + weight s KL(f(x~_{t-1}) || h(region of x~_t))

  with shares s ~ U(0, alpha).

  The mixer of the paper is `resizemix`, which pastes all of x~_{t-1}, made
  smaller; any that takes `partner` and `lam` will do, with a weight only those
  that paste. The region is the mean of the features where x~_t shows x~_{t-1},
  and h the head of the network. The prediction of the last step is a constant.
  Nothing is pasted in the first step. The loss sees two soft labels, so a
  decoupled term is of the most likely class of either.

  What is remembered, a batch of images, labels and logits, is part of the
  state, in `extra`; each device has its rows of the batch of all. The share s
  is that of the box; a box that is clipped at the border has less. This is a
  reconstruction: the weight of the consistency term, its factor s, and the
  shared head are our reading of the paper.

  Args:
    network: To logits; its head sees the mean of its last map, as that of a
      ResNet, or a class token.
    mixer: `mixer(key, images, *, partner, lam) -> Mixed`, without guidance.
    loss: `loss(logits, labels, weights) -> [B]`, of soft labels `[B, 2, C]`.
    num_classes: C.
    batch_size: Of all devices.
    alpha: The largest share of what is pasted, in (0, 1].
    weight: Of the consistency, 0 or more; 0 for none.
    per_batch: One s for the batch of a device, and one box.
    guidance: What the mixer needs; looked up in the table of mixers where None.
    ema_decay: As in `supervised`.
    axis_name: Axis over which the batch is spread. None for one device.

  Returns:
    The method, as `supervised`. `consistency` among its metrics is the mean of
    `s KL`.

  Raises:
    ValueError: For options out of range, and a mixer that cannot be given its
      partners or that, with a weight, does not paste.
  """
  _check(alpha, weight, mixer, guidance)
  mix = functools.partial(mixer, **({"per_batch": True} if per_batch else {}))
  method = supervised(
      network, mixer, loss, guidance=mixers.needs(), ema_decay=ema_decay
  )

  def init(key, batch, variables=None):
    state = method.init(key, batch, variables)
    x = batch["x"]
    memory = {
        "x": jnp.zeros((batch_size, *x.shape[1:]), x.dtype),
        "label": jnp.zeros((batch_size, num_classes)),
        "logits": jnp.zeros((batch_size, num_classes)),
    }
    return state.replace(extra={"memory": memory})

  def loss_fn(params, state, batch, key):
    share_key, mix_key, model_key = jax.random.split(key, 3)
    x, count = batch["x"], batch["x"].shape[0]
    before = _own_rows(state.extra["memory"], count, axis_name)
    draws = 1 if per_batch else count
    share = alpha * jax.random.uniform(share_key, (draws,))
    share = jnp.where(state.step > 0, jnp.broadcast_to(share, count), 0.0)
    mixed = paste(functools.partial(mix, mix_key), x, before["x"], share)
    now = jax.nn.one_hot(batch["label"], num_classes)
    labels = jnp.concatenate([now, before["label"]])[mixed.sources]
    variables = {"params": params, **state.model_state}
    logits, region, after = _forward(
        network, variables, mixed, model_key, bool(weight)
    )
    each = loss(logits, labels, mixed.weights)
    metrics = {}
    if weight:
      terms = mixed.weights[:, 1] * _divergence(before["logits"], region)
      each += weight * terms
      metrics["consistency"] = (terms.sum(), terms.size)
    target = losses.soft_labels(labels, mixed.weights, num_classes)
    hits = jnp.take_along_axis(target, jnp.argmax(logits, 1)[:, None], axis=1)
    metrics |= {
        "loss": (each.sum(), each.size), "accuracy": (hits.sum(), hits.size),
    }
    carried = {"x": mixed.x, "label": target, "logits": logits}
    return each.mean(), base.Aux(after, metrics, carried, each)

  def after_update(state, carried):
    state = method.after_update(state, None)
    return state.replace(extra={"memory": carried})

  return method._replace(
      init=init, loss=loss_fn, after_update=after_update,
      note="memory of the last batch: its images, labels and logits",
  )


def make(parts: base.Parts, **options) -> base.Method:
  """The method of a run; options are those of `recursivemix`.

  Args:
    parts: What the run gives.
    **options: Those of `recursivemix`.

  Returns:
    The method.
  """
  spec = {"name": "recursivemix", **options}
  configured = names.configure("method", {"recursivemix": recursivemix}, spec)
  return configured(
      parts.network(parts.num_classes), parts.mixer, parts.loss,
      num_classes=parts.num_classes, batch_size=parts.batch_size,
      guidance=parts.guidance, axis_name=AXIS,
  )


def _check(alpha, weight, mixer, guidance):
  if not 0 < alpha <= 1:
    raise ValueError(f"alpha must lie in (0, 1], got {alpha}")
  if not 0 <= weight < math.inf:
    raise ValueError(f"weight must be >= 0 and finite, got {weight}")
  needs = mixers.guidance_of(mixer) if guidance is None else guidance
  takes = {"lam", "partner"} <= mixers.options_of(mixer)
  if needs != mixers.needs() or not takes:
    raise ValueError(
        "method 'recursivemix' needs a mixer of inputs that can be given its"
        " partners and lam, without guidance, such as 'resizemix'"
    )


def paste(
    mix: Callable[..., mixers.Mixed], x: jax.Array, before: jax.Array,
    share: jax.Array,
) -> mixers.Mixed:
  """Mixes each row with the same row of another batch.

  Args:
    mix: `mix(x, *, partner, lam) -> Mixed`.
    x: `[B, ...]`.
    before: `[B, ...]`.
    share: `[B]`, of `before`.

  Returns:
    The mixed batch `[B, ...]`; its sources are rows of `x` and `before` behind
    one another.
  """
  count = x.shape[0]
  # The other half, x pasted into `before`, is dropped.
  partner = np.roll(np.arange(2 * count), count)
  lam = 1 - jnp.concatenate([share, share])
  mixed = mix(jnp.concatenate([x, before]), partner=partner, lam=lam)
  return jax.tree.map(lambda leaf: leaf[:count], mixed)


def _own_rows(memory, count, axis_name):
  """The rows of this device, `count` of those of all."""
  first = jax.lax.axis_index(axis_name) * count if axis_name else 0
  return jax.tree.map(
      lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, first, count), memory
  )


def _forward(network, variables, mixed, key, regions):
  """Logits, those of the pasted region or None, and the new model state."""
  if not regions:
    logits, after = network.train(variables, mixed.x, key)
    return logits, None, after
  if mixed.mask is None:
    raise ValueError(
        "method 'recursivemix' needs a mixer that pastes, such as 'resizemix',"
        " or no consistency of regions, weight=0"
    )
  name = _map_of_head(network, variables, mixed.x)
  (logits, maps), after = network.train(variables, mixed.x, key, features=name)
  shown = mixers.cell_shares(1 - mixed.mask[..., 0], maps.shape[1:3])
  total = jnp.sum(shown, axis=(1, 2))[:, None]
  pooled = jnp.einsum("bhwd,bhw->bd", maps.astype(jnp.float32), shown)
  head = variables["params"]["head"]
  region = (pooled / jnp.maximum(total, 1e-6)) @ head["kernel"]
  return logits, region + head["bias"][None], after


def _map_of_head(network, variables, x):
  """`tokens` of a transformer with a class token, else the last map."""
  see = functools.partial(network.predict, features="tokens")
  try:
    jax.eval_shape(see, variables, x)
    return "tokens"
  except ValueError:
    return guidance_lib.last_stage(network, variables, x)


def _divergence(before, logits):
  """KL of the prediction now from that before, `[B]`."""
  p = jax.nn.log_softmax(jax.lax.stop_gradient(before))
  q = jax.nn.log_softmax(logits)
  return jnp.sum(jnp.exp(p) * (p - q), axis=1)

"""SUMix: shares of a mix as the network sees them, and its doubt."""

from collections.abc import Callable
import functools
import math

import jax
import jax.numpy as jnp

from dmjax import mixers
from dmjax import names
from dmjax.methods import automix_losses
from dmjax.methods import base
from dmjax.methods import guidance as guidance_lib
from dmjax.methods.supervised import mixed_accuracy
from dmjax.methods.supervised import supervised
from dmjax.models import Network


def sumix(
    network: Network,
    mixer: Callable[..., mixers.Mixed],
    loss: Callable[..., jax.Array],
    *,
    gamma: float = 0.1,
    strength: float = 100.0,
    guidance: mixers.Guidance | None = None,
    ema_decay: float = 0.0,
    saliency: str = "input_gradient",
    teacher: guidance_lib.Teacher | None = None,
) -> base.Method:
  """SUMix (arXiv 2407.07805): mixup whose shares are corrected.

  Of p, the class probabilities of the clean and of the mixed images, and u, a
  second linear head on the same features, the doubt:

      a_k = strength |softmax(p(x~) - p(x_k))|,   v_k ~ w_k exp(-a_k[y_k])
      b_k = |softmax(u(x~))| + |softmax(u(x_k))|
      L   = loss(z(x~), y, v) + gamma sum_k w_k CE(exp(-a_k - b_k), y_k)

  where |.| divides by the Euclidean norm, p(x_k) is 0 for the classes of the
  other images, v sums to 1, and the exponential is taken as logits. No gradient
  flows through a, so neither through v. A source that is far from the mix, as
  one that a box hides, counts for less.

  This is what the authors' code does. It multiplies the first norm by the size
  of the batch, 100 on CIFAR-100; here that is `strength`, so that the loss does
  not depend on how a batch is spread. It is for two sources there, for any
  number here. Clean and mixed images are two passes, both in training mode.

  Args:
    network: Of two heads side by side, `[B, 2 C]`: logits, then the doubt.
    mixer: `mixer(key, x) -> Mixed`, any that `supervised` takes.
    loss: `loss(logits, labels, weights) -> [B]`, of the corrected shares.
    gamma: Weight of the second term, 0 or more.
    strength: Of the correction, 0 or more.
    guidance: As in `supervised`.
    ema_decay: Likewise.
    saliency: Likewise.
    teacher: Likewise.

  Returns:
    The method, as `supervised`; `predict` gives the first head.

  Raises:
    ValueError: For options out of range, and as `supervised`.
  """
  for name, value in (("gamma", gamma), ("strength", strength)):
    if not 0 <= value < math.inf:
      raise ValueError(f"{name} must be >= 0 and finite, got {value}")
  needs = mixers.guidance_of(mixer) if guidance is None else guidance
  usual = functools.partial(
      supervised, guidance=needs, ema_decay=ema_decay, saliency=saliency,
      teacher=teacher,
  )
  method = usual(network, mixer, loss)

  def loss_fn(params, state, batch, key):
    mixed_key, clean_key = jax.random.split(key)
    now = {"params": params, **state.model_state}
    clean, after = network.train(now, batch["x"], clean_key)
    clean = automix_losses.heads(clean)
    seen = {}  # What `supervised` keeps to itself: sources and doubt.

    def corrected(logits, labels, weights):
      sources = seen["sources"]
      a = strength * distances(logits, clean[0], labels, sources)
      shares = corrected_shares(weights, _of_labels(a, labels))
      moved = jnp.abs(shares - weights)[:, 0]
      seen["metrics"] = {
          "accuracy": mixed_accuracy(logits, labels, shares),
          "correction": (moved.sum(), moved.size),
      }
      doubt = normalised(seen["doubt"])[:, None] + normalised(clean[1])[sources]
      terms = -_of_labels(jax.nn.log_softmax(jnp.exp(-a - doubt)), labels)
      return loss(logits, labels, shares) + gamma * jnp.sum(weights * terms, 1)

    inner = usual(_watched(network, seen), _watching(mixer, seen), corrected)
    total, aux = inner.loss(
        params, state.replace(model_state=after), batch, mixed_key
    )
    return total, aux._replace(metrics=aux.metrics | seen["metrics"])

  def predict(state, batch):
    return automix_losses.heads(method.predict(state, batch))[0]

  note = "clean inputs: one extra forward and backward pass"
  return method._replace(
      loss=loss_fn, predict=predict,
      note="; ".join(filter(None, (note, method.note))),
  )


def make(parts: base.Parts, *, teacher: str = "", **options) -> base.Method:
  """The method of a run; options are those of `sumix`.

  Args:
    parts: What the run gives.
    teacher: As in `supervised.make`.
    **options: Others of `sumix`.

  Returns:
    The method.
  """
  spec = {"name": "sumix", **options}
  configured = names.configure("method", {"sumix": sumix}, spec)
  return configured(
      parts.network(2 * parts.num_classes), parts.mixer, parts.loss,
      guidance=parts.guidance, teacher=guidance_lib.teacher_of(parts, teacher),
  )


def distances(
    mixed: jax.Array, clean: jax.Array, labels: jax.Array, sources: jax.Array
) -> jax.Array:
  """How far each source is from the mix, class by class, |softmax(p~ - p_k)|.

  Args:
    mixed: Logits of the mixed images, `[B, C]`.
    clean: Of the images as they are, `[B, C]`.
    labels: `int[B, K]`, of the sources.
    sources: `int32[B, K]`.

  Returns:
    `float32[B, K, C]`, constant: positive, of Euclidean norm 1.
  """
  mixed, clean = jax.lax.stop_gradient((mixed, clean))
  own = jax.nn.one_hot(labels, mixed.shape[1])
  others = jnp.sum(own, axis=1, keepdims=True) - own
  p = jnp.where(others > 0, 0.0, jax.nn.softmax(clean)[sources])
  return normalised(jax.nn.softmax(mixed)[:, None] - p)


def corrected_shares(weights: jax.Array, a: jax.Array) -> jax.Array:
  """`w_k exp(-a_k)`, with the sum that w had.

  Args:
    weights: w, `[B, K]`.
    a: `[B, K]`.

  Returns:
    `float32[B, K]`; a source of weight 0 keeps it.
  """
  log_w = jnp.log(jnp.where(weights > 0, weights, 1.0))
  scores = jnp.where(weights > 0, log_w - a, -jnp.inf)
  # Of no weight at all there is nothing to correct, and no softmax.
  some = jnp.any(weights > 0, axis=1, keepdims=True)
  shares = jax.nn.softmax(jnp.where(some, scores, 0.0), axis=1)
  return shares * jnp.sum(weights, axis=1, keepdims=True)


def normalised(z: jax.Array) -> jax.Array:
  """Softmax over the last axis, divided by its Euclidean norm."""
  p = jax.nn.softmax(z.astype(jnp.float32))
  return p / jnp.linalg.norm(p, axis=-1, keepdims=True)


def _of_labels(values, labels):
  """`[B, K, C]` to those of the labels, `[B, K]`."""
  return jnp.take_along_axis(values, labels[..., None], axis=2)[..., 0]


def _watched(network, seen):
  """The network of the first head alone; the second is noted in training."""

  def first(out, features):
    logits, *beside = out if features else (out,)
    logits, doubt = automix_losses.heads(logits)
    return (logits, *beside) if features else logits, doubt

  def train(variables, x, key, *, features=None, **options):
    out, state = network.train(variables, x, key, features=features, **options)
    out, seen["doubt"] = first(out, features)
    return out, state

  def predict(variables, x, *, features=None, **options):
    out = network.predict(variables, x, features=features, **options)
    return first(out, features)[0]

  return network._replace(train=train, predict=predict)


def _watching(mixer, seen):
  """The mixer, whose sources are noted."""

  def mix(key, x, **options):
    mixed = mixer(key, x, **options)
    # Those of the first call, the one outside of the network.
    seen.setdefault("sources", mixed.sources)
    return mixed

  return mix

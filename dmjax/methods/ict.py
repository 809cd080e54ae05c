"""Interpolation consistency training: what is between images is in between."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from dmjax import mixers
from dmjax import names
from dmjax.methods import base
from dmjax.methods import guesses
from dmjax.methods import semi
from dmjax.methods import semi_mixing
from dmjax.methods import thresholds
from dmjax.methods.supervised import mixed_accuracy
from dmjax.models import Network

MIXES = ("logits", "probabilities")


def ict(
    network: Network,
    mixer: Callable[..., mixers.Mixed],
    loss: Callable[..., jax.Array],
    *,
    num_classes: int,
    total_steps: int,
    mix: str = "logits",
    weight: float = 100.0,
    ramp_share: float = 0.25,
    ema_decay: float = 0.999,
) -> base.Method:
  """Interpolation consistency training, ICT (arXiv 1903.03825, algorithm 1).

      q = softmax(lam g(u_i) + (1 - lam) g(u_j))
      L = loss(f(x'), y_i, y_j, lam) + w(t) mean_ck (softmax f(u')_k - q_k)^2
      w(t) = weight exp(-5 (1 - min(t / (ramp_share T), 1))^2)

  with g the running average of f, whose decay after step t = 1, 2, ... is
  min(1 - 1 / (t + 1), ema_decay): the mean of all parameters so far, then a
  window. The mixer mixes labelled images among themselves and unlabelled ones
  likewise; lambda is not folded. With `identity` this is Mean Teacher (arXiv
  1703.01780).

  Mixed images of both streams go through the student together. The teacher runs
  in training mode, as published: it normalises by the batch it sees, where the
  running statistics are those of the student. Its new ones are dropped.

  Args:
    network: To logits.
    mixer: Any mixer without guidance.
    loss: `loss(logits, labels, weights) -> [B]`, of labelled rows.
    num_classes: K.
    total_steps: T.
    mix: What of the teacher is mixed: `logits`, as in the authors' code, or
      `probabilities`, as in that of MixMatch, `lam softmax g(u_i) + ...`.
    weight: Of the unlabelled rows, once it has risen from `weight exp(-5)`.
    ramp_share: Share of training in which it rises, in (0, 1].
    ema_decay: Of the running average, the teacher, which is evaluated.

  Returns:
    The method. Its accuracy is that of mixed labelled rows, as in `supervised`.

  Raises:
    ValueError: For options out of range.
  """
  guesses.check_weights(weight=weight)
  thresholds.check_share("ramp_share", ramp_share)
  if mix not in MIXES:
    raise ValueError(f"mix must be one of {MIXES}, got {mix!r}")

  def mix_streams(key, batch):
    own_key, other_key = jax.random.split(key)
    own = mixer(own_key, batch["labelled"]["x"])
    return own, mixer(other_key, batch["unlabelled"]["weak"])

  def mixes(key, batch):
    own, other = mix_streams(key, batch)
    return {"mixed_labelled": own.x, "mixed_weak": other.x}

  def loss_fn(params, state, batch, key):
    labelled, unlabelled = batch["labelled"], batch["unlabelled"]
    mix_key, teacher_key, model_key = jax.random.split(key, 3)
    own, other = mix_streams(mix_key, batch)
    taught, _ = semi.forward(
        network, state.ema, state, {"weak": unlabelled["weak"]}, teacher_key
    )
    logits, model_state = semi.forward(
        network, params, state, {"own": own.x, "other": other.x}, model_key
    )
    labels = labelled["label"][own.sources]
    terms = {
        "labelled": loss(logits["own"], labels, own.weights),
        "unlabelled": consistency(
            logits["other"], target(taught["weak"], other, mix)
        ),
    }
    total = jnp.mean(terms["labelled"])
    rise = guesses.ramp(state.step, total_steps, ramp_share)
    total += weight * sigmoid_ramp(rise) * jnp.mean(terms["unlabelled"])
    metrics = {f"loss_{name}": semi.mean_of(v) for name, v in terms.items()}
    metrics |= {
        "accuracy": mixed_accuracy(logits["own"], labels, own.weights),
        "loss": (total * len(labels), len(labels)),
    }
    return total, base.Aux(model_state, metrics)

  def after_update(state, carried):
    del carried
    decay = decay_at(state.step, ema_decay)
    ema = optax.incremental_update(state.params, state.ema, 1 - decay)
    return state.replace(ema=ema)

  method = semi.method_of(
      network, loss_fn, num_classes=num_classes, ema_decay=ema_decay,
      unlabelled={"weak": "weak"}, mixes=mixes,
      note="teacher: one more forward pass over the unlabelled images",
  )
  return method._replace(after_update=after_update)


def target(logits: jax.Array, mixed: mixers.Mixed, mix: str) -> jax.Array:
  """What the teacher's `logits [B, K]` of clean rows say of mixed ones."""

  def average(of_rows):
    return jnp.einsum("bs,bsk->bk", mixed.weights, of_rows[mixed.sources])

  if mix == "logits":
    return jax.nn.softmax(average(logits))
  return average(jax.nn.softmax(logits))


def consistency(logits: jax.Array, target: jax.Array) -> jax.Array:
  """Squared error of the prediction, mean over classes, `[B]`."""
  return jnp.mean((jax.nn.softmax(logits) - target) ** 2, axis=1)


def sigmoid_ramp(rise: jax.Array) -> jax.Array:
  """`exp(-5 (1 - r)^2)`, the ramp in the form of a sigmoid, for r in [0, 1]."""
  return jnp.exp(-5 * (1 - rise) ** 2)


def decay_at(step: jax.Array, ema_decay: float) -> jax.Array:
  """Of the running average after that many steps, 1 or more."""
  return jnp.minimum(1 - 1 / (step + 1), ema_decay)


def make(parts: base.Parts, **options) -> base.Method:
  """The method of a run.

  Args:
    parts: What the run gives.
    **options: Those of `ict`.

  Returns:
    The method.

  Raises:
    ValueError: For a mixer that needs guidance, and as `ict`.
  """
  spec = {"name": "ict", **options}
  configured = names.configure("method", {"ict": ict}, spec)
  return configured(
      parts.network(parts.num_classes), semi_mixing.mixer_of(parts), parts.loss,
      num_classes=parts.num_classes, total_steps=parts.total_steps,
  )

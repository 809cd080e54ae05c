"""Pseudo-Label: a network learns from what it is sure of already."""

import jax
import jax.numpy as jnp

from dmjax import mixers
from dmjax import names
from dmjax.methods import base
from dmjax.methods import guesses
from dmjax.methods import semi
from dmjax.methods import thresholds
from dmjax.models import Network


def pseudo_label(
    network: Network,
    *,
    num_classes: int,
    total_steps: int,
    tau: float = 0.95,
    weight: float = 1.0,
    ramp_share: float = 0.4,
    ema_decay: float = 0.999,
) -> base.Method:
  """Pseudo-Label (Lee, 2013), in the form of TorchSSL.

      L = CE(f(x), y) + w(t) mean_u [ [max p >= tau] CE(f(u), argmax p) ]
      p = softmax(f(u)),   w(t) = weight min(t / (ramp_share T), 1)

  Both streams go through the network together. The mean is over all unlabelled
  images, also those that are not believed. Lee believes them all, as
  tau = 1 / K does; the threshold came later.

  Args:
    network: To logits.
    num_classes: K.
    total_steps: T.
    tau: From which probability on an image is believed, in (0, 1].
    weight: Of the unlabelled images, once it has risen.
    ramp_share: Share of training in which it rises, in (0, 1].
    ema_decay: Of the running average that is evaluated.

  Returns:
    The method.

  Raises:
    ValueError: For options out of range.
  """
  guesses.check_weights(weight=weight)
  thresholds.check_share("tau", tau)
  thresholds.check_share("ramp_share", ramp_share)

  def loss(params, state, batch, key):
    labelled, unlabelled = batch["labelled"], batch["unlabelled"]
    rows = {"x": labelled["x"], "weak": unlabelled["weak"]}
    logits, model_state = semi.forward(network, params, state, rows, key)
    x, weak = logits["x"], logits["weak"]
    probs = jax.lax.stop_gradient(jax.nn.softmax(weak))
    believed = jnp.max(probs, axis=1) >= tau
    terms = {
        "labelled": semi.cross_entropy(x, labelled["label"]),
        "unlabelled": believed * semi.cross_entropy(weak, jnp.argmax(probs, 1)),
    }
    ramp = guesses.ramp(state.step, total_steps, ramp_share)
    total = jnp.mean(terms["labelled"])
    total += weight * ramp * jnp.mean(terms["unlabelled"])
    metrics = {f"loss_{name}": semi.mean_of(v) for name, v in terms.items()}
    metrics |= {
        "accuracy": semi.accuracy(x, labelled["label"]),
        "believed": semi.mean_of(believed),
        "loss": (total * len(x), len(x)),
    }
    return total, base.Aux(model_state, metrics)

  return semi.method_of(
      network, loss, num_classes=num_classes, ema_decay=ema_decay,
      unlabelled={"weak": "weak"},
  )


def make(parts: base.Parts, **options) -> base.Method:
  """The method of a run, whose `mix` is `identity`.

  Args:
    parts: What the run gives.
    **options: Those of `pseudo_label`.

  Returns:
    The method.

  Raises:
    ValueError: For another mixer, and as `pseudo_label`.
  """
  if getattr(parts.mixer, "func", parts.mixer) is not mixers.identity:
    raise ValueError("mix must be 'identity': pseudo_label mixes no images")
  spec = {"name": "pseudo_label", **options}
  configured = names.configure("method", {"pseudo_label": pseudo_label}, spec)
  return configured(
      parts.network(parts.num_classes), num_classes=parts.num_classes,
      total_steps=parts.total_steps,
  )

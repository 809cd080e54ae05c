"""MixMatch, and its form with decoupled mixup."""

from collections.abc import Callable
import functools
import inspect

import jax
import jax.numpy as jnp

from dmjax import losses
from dmjax import mixers
from dmjax import names
from dmjax.methods import base
from dmjax.methods import guesses
from dmjax.methods import semi
from dmjax.methods import semi_mixing
from dmjax.methods import thresholds
from dmjax.models import Network

VIEWS = {"weak": "weak", "weak2": "weak"}
# A label of this mass adds nothing to a loss in floating point, and its most
# likely class is what it was.
_NO_MASS = 2.0**-100


def mixmatch(
    network: Network,
    mixer: Callable[..., mixers.Mixed],
    loss: Callable[..., jax.Array],
    *,
    num_classes: int,
    total_steps: int,
    temperature: float = 0.5,
    weight: float = 75.0,
    ramp_share: float = 1 / 64,
    ema_decay: float = 0.999,
) -> base.Method:
  """MixMatch (arXiv 1905.02249, eqs. 2-15), with decoupled mixup if asked.

      q = sharpen((softmax f(u_1) + softmax f(u_2)) / 2)
      W = [x; u_1; u_2],   p = [y; q; q]
      x' = lam W_i + (1 - lam) W_j,   p' = lam p_i + (1 - lam) p_j,   lam >= 1/2
      L = CE(f(x'), p') + w(t) mean_ck (softmax f(u')_k - q'_k)^2
      w(t) = weight min(t / (ramp_share T), 1)

  The squared error is a mean over unlabelled rows and classes. With a mixer of
  masks lambda is the share of pixels.

  With `decoupled_cross_entropy` (arXiv 2203.10761) labelled sources, and they
  alone, carry its term, in labelled rows and, as a mean that is not scaled, in
  unlabelled ones whose partner is labelled. Pairs of guesses carry none.

  All mixed rows go through the network at once, and their batch statistics are
  kept. The authors' code makes three sub-batches alike by interleaving, and
  keeps the statistics of the first. USB keeps those of labelled rows alone, and
  publishes far worse results; why is not known. Guesses come from a pass
  before, with the batch statistics of both views, whose new running ones are
  dropped; no gradient flows into it.

  Args:
    network: To logits.
    mixer: A mixer of pairs without guidance, with the options `alpha`, `lam`
      and `partner`. The paper has mixup with alpha 0.75.
    loss: `loss(logits, labels [B, 2, K], weights) -> [B]`, of labelled rows.
    num_classes: K.
    total_steps: T.
    temperature: Of the guesses, in (0, 1].
    weight: Of the unlabelled rows, once it has risen: 75 on CIFAR-10, 150 on
      CIFAR-100, 250 on SVHN.
    ramp_share: Share of training in which it rises, in (0, 1]. Published are
      16,384 of 2^20 steps; TorchSSL has 0.4, and a weight of 100.
    ema_decay: Of the running average that is evaluated.

  Returns:
    The method. Its accuracy is that of mixed labelled rows, on the label that
    has most of them.

  Raises:
    ValueError: For options out of range, and a mixer without lambda.
  """
  guesses.check_weights(weight=weight)
  thresholds.check_share("temperature", temperature)
  thresholds.check_share("ramp_share", ramp_share)
  semi_mixing.alpha_of(mixer)

  def loss_fn(params, state, batch, key):
    labelled, unlabelled = batch["labelled"], batch["unlabelled"]
    guess_key, mix_key, model_key = jax.random.split(key, 3)
    views = {name: unlabelled[name] for name in VIEWS}
    still = jax.lax.stop_gradient(params)
    logits, _ = semi.forward(network, still, state, views, guess_key)
    labels = guesses.labels_of(
        labelled["label"], guess(list(logits.values()), temperature), len(VIEWS)
    )
    mixed = guesses.mix_streams(mixer, VIEWS, mix_key, batch)
    logits, model_state = semi.forward(
        network, params, state, {"mixed": mixed.x}, model_key
    )
    count = len(labelled["x"])
    terms = terms_of(loss, logits["mixed"], labels, mixed, count)
    ramp = guesses.ramp(state.step, total_steps, ramp_share)
    scales = {"unlabelled": weight * ramp}
    total = sum(scales.get(k, 1.0) * jnp.mean(v) for k, v in terms.items())
    metrics = {f"loss_{name}": semi.mean_of(v) for name, v in terms.items()}
    metrics |= {
        "accuracy": semi.accuracy(logits["mixed"][:count], labelled["label"]),
        "loss": (total * count, count),
    }
    return total, base.Aux(model_state, metrics)

  return semi.method_of(
      network, loss_fn, num_classes=num_classes, ema_decay=ema_decay,
      unlabelled=VIEWS, mixes=guesses.pictures(mixer, VIEWS),
      note="guessed labels: one more forward pass over the unlabelled images",
  )


def guess(logits: list[jax.Array], temperature: float) -> jax.Array:
  """The sharpened mean of the predictions of several views, `[B, K]`."""
  mean = sum(map(jax.nn.softmax, logits)) / len(logits)
  return guesses.sharpen(mean, temperature)


def terms_of(
    loss: Callable[..., jax.Array], logits: jax.Array, labels: jax.Array,
    mixed: mixers.Mixed, count: int,
) -> dict[str, jax.Array]:
  """Losses of mixed rows, of which the first `count` are labelled.

  Args:
    loss: As in `mixmatch`.
    logits: `[N, K]`.
    labels: Soft labels of the rows before they are mixed, `[N, K]`.
    mixed: Who is mixed with whom.
    count: B.

  Returns:
    `labelled`, `[B]`, `unlabelled`, `[N - B]`, and with a decoupled loss
    `decoupled`, `[N - B]`, the terms of labelled images in unlabelled rows.
  """
  given = labels[mixed.sources], mixed.weights
  known = mixed.sources < count
  first, rest = slice(count), slice(count, None)
  own = guesses.one_sided(loss, known[first])
  target = losses.soft_labels(*given, logits.shape[1])
  error = (jax.nn.softmax(logits) - target) ** 2
  terms = {
      "labelled": loss(logits[first], *(a[first] for a in given), **own),
      "unlabelled": jnp.mean(error[rest], axis=1),
  }
  if "eta" in inspect.signature(loss).parameters:
    terms["decoupled"] = decoupled_terms(
        loss, logits[rest], *(a[rest] for a in given), known[rest]
    )
  return terms


def decoupled_terms(
    loss: Callable[..., jax.Array], logits: jax.Array, labels: jax.Array,
    weights: jax.Array, where: jax.Array,
) -> jax.Array:
  """The terms of `decoupled_cross_entropy` without its cross-entropy, `[B]`."""
  # Smoothing would give the labels mass again; the terms do not depend on it.
  alone = functools.partial(loss, label_smoothing=0.0)
  return alone(logits, _NO_MASS * labels, weights, where=where)


def make(parts: base.Parts, **options) -> base.Method:
  """The method of a run.

  Args:
    parts: What the run gives.
    **options: Those of `mixmatch`.

  Returns:
    The method.

  Raises:
    ValueError: For a mixer that needs guidance, and as `mixmatch`.
  """
  spec = {"name": "mixmatch", **options}
  configured = names.configure("method", {"mixmatch": mixmatch}, spec)
  return configured(
      parts.network(parts.num_classes), semi_mixing.mixer_of(parts), parts.loss,
      num_classes=parts.num_classes, total_steps=parts.total_steps,
  )

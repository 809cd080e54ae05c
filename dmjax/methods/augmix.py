"""AugMix: the same prediction for an image and two augmentations of it."""

from collections.abc import Callable, Sequence
import functools
import math

import jax
import jax.numpy as jnp

from dmjax import augment
from dmjax import losses
from dmjax import mixers
from dmjax import names
from dmjax.methods import base
from dmjax.methods.supervised import mixed_accuracy
from dmjax.methods.supervised import supervised
from dmjax.models import Network


def augmix(
    network: Network,
    loss: Callable[..., jax.Array],
    *,
    weight: float = 12.0,
    severity: float = 3.0,
    fill: Sequence[float] = (0.0,),
    ema_decay: float = 0.0,
) -> base.Method:
  """AugMix with the Jensen-Shannon loss (arXiv 1912.02781, eq. 3).

      L = loss(f(x), y) + weight JSD(f(x), f(x'), f(x''))

  with x' and x'' two draws of `augment.augmix` of the image x, as the training
  augmentation made it. Only x has a label in the loss. The three go through the
  network together and share batch statistics, at three times the cost.

  Args:
    network: To logits.
    loss: Of the clean images, `loss(logits, labels, weights) -> [B]`.
    weight: Of the divergence, 0 or more.
    severity: As in `augment.augmix`.
    fill: Likewise.
    ema_decay: As in `supervised`.

  Returns:
    The method, as `supervised`. `divergence` among its metrics is the mean of
    the divergences.

  Raises:
    ValueError: For a weight or a decay out of range, and images that are
      neither grey nor coloured.
  """
  if not 0 <= weight < math.inf:
    raise ValueError(f"weight must be >= 0 and finite, got {weight}")
  method = supervised(network, mixers.identity, loss, ema_decay=ema_decay)
  change = functools.partial(
      augment.augmix, severity=severity, fill=tuple(fill)
  )

  def loss_fn(params, state, batch, key):
    change_key, model_key = jax.random.split(key)
    x, labels = batch["x"], batch["label"][:, None]
    # Mapped over both: half the program.
    views = jax.vmap(change, (0, None))(jax.random.split(change_key), x)
    views = jnp.concatenate([x, *views])
    now = {"params": params, **state.model_state}
    logits, after = network.train(now, views, model_key)
    logits = logits.reshape(3, len(x), -1)
    ones = jnp.ones(labels.shape)
    divergence = losses.jensen_shannon(logits)
    each = loss(logits[0], labels, ones) + weight * divergence
    metrics = {
        "loss": (each.sum(), each.size),
        "accuracy": mixed_accuracy(logits[0], labels, ones),
        "divergence": (divergence.sum(), divergence.size),
    }
    return each.mean(), base.Aux(after, metrics, losses=each)

  note = "three times the images: two augmentations beside the clean ones"
  return method._replace(loss=loss_fn, note=note)


def make(parts: base.Parts, **options) -> base.Method:
  """The method of a run; options are those of `augmix`.

  Args:
    parts: What the run gives.
    **options: Those of `augmix`.

  Returns:
    The method.

  Raises:
    ValueError: For a mixer: the clean images stay as they are.
  """
  spec = {"name": "augmix", **options}
  configured = names.configure("method", {"augmix": augmix}, spec)
  if getattr(parts.mixer, "func", parts.mixer) is not mixers.identity:
    raise ValueError(
        "method 'augmix' compares clean images with augmented ones and mixes"
        " none: --config.mix.name=identity"
    )
  return configured(parts.network(parts.num_classes), parts.loss)

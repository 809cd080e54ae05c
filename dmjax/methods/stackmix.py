"""StackMix: two whole images, one above the other."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from dmjax import mixers
from dmjax import names
from dmjax.methods import base
from dmjax.methods.supervised import supervised
from dmjax.models import Network


def stackmix(
    network: Network,
    mixer: Callable[..., mixers.Mixed],
    loss: Callable[..., jax.Array],
    *,
    guidance: mixers.Guidance | None = None,
    ema_decay: float = 0.0,
) -> base.Method:
  """StackMix (arXiv 2011.12618): labels (a + b) / 2 for two images stacked.

      x~ = (x_i above x_j),   L = loss(f(x~), y_i, y_j, 1/2, 1/2)
      prediction = f(x above x)

  Images are stacked first and mixed then, by a mixer that sees them as batches
  `[B, 2 H, W, C]`: of `identity` a row has two classes, of a pair mixer four.
  The network sees images of twice the height in training and in evaluation, at
  twice the cost. It must take them: convolutional networks with a global pool
  do, and vision transformers are made with positions for 2 H. The form is a
  reconstruction from the idea of the paper.

  Args:
    network: To logits.
    mixer: `mixer(key, images) -> Mixed`, of inputs and without guidance.
    loss: `loss(logits, labels, weights) -> [B]`.
    guidance: What the mixer needs; looked up in the table of mixers where None.
    ema_decay: As in `supervised`.

  Returns:
    The method, as `supervised`. Its network stacks what it is given.

  Raises:
    ValueError: For a mixer that needs guidance or mixes hidden layers, inputs
      that are no images, and a bad decay.
  """
  needs = mixers.guidance_of(mixer) if guidance is None else guidance
  if needs != mixers.needs():
    raise ValueError(
        "method 'stackmix' mixes stacked images, of which no guidance is known:"
        " take a mixer of inputs without it, such as 'identity' or 'cutmix'"
    )
  seen = Network(
      lambda key, x: network.init(key, twice(x)),
      lambda variables, x, *rest, **options: network.train(
          variables, twice(x), *rest, **options
      ),
      lambda variables, x, **options: network.predict(
          variables, twice(x), **options
      ),
  )
  # The mixer has stacked what the network is trained on.
  method = supervised(
      seen._replace(train=network.train), stacked(mixer), loss, guidance=needs,
      ema_decay=ema_decay,
  )
  return method._replace(network=seen, note="images of twice the height")


def make(parts: base.Parts, **options) -> base.Method:
  """The method of a run; options are those of `stackmix`.

  Args:
    parts: What the run gives.
    **options: Those of `stackmix`.

  Returns:
    The method.
  """
  spec = {"name": "stackmix", **options}
  configured = names.configure("method", {"stackmix": stackmix}, spec)
  return configured(
      parts.network(parts.num_classes), parts.mixer, parts.loss,
      guidance=parts.guidance,
  )


def twice(x: jax.Array) -> jax.Array:
  """Images above themselves, `[B, H, W, C]` -> `[B, 2 H, W, C]`."""
  if getattr(x, "ndim", 0) != 4 or not hasattr(x, "astype"):
    raise ValueError(
        "method 'stackmix' is for images [B, H, W, C], got x of shape"
        f" {x.shape}; take 'supervised'"
    )
  return jnp.concatenate([x, x], axis=1)


def stacked(
    mixer: Callable[..., mixers.Mixed]
) -> Callable[..., mixers.Mixed]:
  """A mixer of images `[B, H, W, C]` to mixes `[B, 2 H, W, C]` of stacks."""

  def mix(key, x):
    partner_key, mix_key = jax.random.split(key)
    # A mixer that mixes nothing still draws who would be mixed with whom.
    below = mixers.identity(partner_key, x).sources[:, 1]
    mixed = mixer(mix_key, jnp.concatenate([x, x[below]], axis=1))
    pairs = jnp.stack([mixed.sources, below[mixed.sources]], axis=2)
    sources = pairs.reshape(x.shape[0], -1)
    weights = jnp.repeat(mixed.weights / 2, 2, axis=1)
    return mixers.Mixed(mixed.x, sources, weights, mixed.mask)

  return mix

"""RegMixup: mixed images beside the clean ones."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from dmjax import mixers
from dmjax import names
from dmjax.methods import base
from dmjax.methods import guidance as guidance_lib
from dmjax.methods.supervised import supervised
from dmjax.models import Network


def regmixup(
    network: Network,
    mixer: Callable[..., mixers.Mixed],
    loss: Callable[..., jax.Array],
    *,
    eta: float = 1.0,
    guidance: mixers.Guidance | None = None,
    ema_decay: float = 0.0,
    saliency: str = "input_gradient",
    teacher: guidance_lib.Teacher | None = None,
) -> base.Method:
  """RegMixup (arXiv 2206.14502): mixup as a regulariser of training.

      L = loss(f(x), y) + eta loss(f(x~), y_i, y_j, lambda)

  Clean and mixed images go through the network together, so batch statistics
  are those of both, as published; a step costs a pass over twice the images.
  The authors draw lambda near 1/2, from Beta(10, 10) on CIFAR-100 and
  Beta(20, 20) on CIFAR-10, one for a batch, and their code halves L at eta 1.

  Args:
    network: To logits.
    mixer: `mixer(key, images) -> Mixed`, any that `supervised` takes.
    loss: Of both terms, `loss(logits, labels, weights) -> [B]`.
    eta: Weight of the mixed images, 0 or more.
    guidance: As in `supervised`.
    ema_decay: Likewise.
    saliency: Likewise.
    teacher: Likewise.

  Returns:
    The method, as `supervised`.

  Raises:
    ValueError: For a negative eta, and as `supervised`.
  """
  if not eta >= 0:
    raise ValueError(f"eta must be >= 0, got {eta}")

  def both(logits, labels, weights):
    clean, mixed = jnp.split(loss(logits, labels, weights), 2)
    return 2 * jnp.concatenate([clean, eta * mixed])  # The mean is over both.

  needs = mixers.guidance_of(mixer) if guidance is None else guidance
  method = supervised(
      network, _beside_clean(mixer), both, guidance=needs, ema_decay=ema_decay,
      saliency=saliency, teacher=teacher,
  )
  note = "twice the images: the clean ones beside the mixed"
  return method._replace(note="; ".join(filter(None, (note, method.note))))


def make(parts: base.Parts, *, teacher: str = "", **options) -> base.Method:
  """The method of a run; options are those of `regmixup`.

  Args:
    parts: What the run gives.
    teacher: As in `supervised.make`.
    **options: Others of `regmixup`.

  Returns:
    The method.
  """
  spec = {"name": "regmixup", **options}
  configured = names.configure("method", {"regmixup": regmixup}, spec)
  return configured(
      parts.network(parts.num_classes), parts.mixer, parts.loss,
      guidance=parts.guidance, teacher=guidance_lib.teacher_of(parts, teacher),
  )


def _beside_clean(mixer):
  """A mixer to `[2 B, ...]`: the images as they are, then the mixed ones."""

  def mix(key, x, **options):
    # A hidden layer holds both already; only the second half is mixed there.
    clean, x = jnp.split(x, 2) if options.get("stage") else (x, x)
    for name in {"attention", "attentions", "progress"} & options.keys():
      options[name] = options[name][-x.shape[0]:]  # What the mixed ones showed.
    mixed = mixer(key, x, **options)
    rows = jnp.arange(x.shape[0], dtype=jnp.int32)[:, None]
    own = jnp.broadcast_to(rows, mixed.sources.shape)
    whole = jnp.zeros_like(mixed.weights).at[:, 0].set(1.0)
    return mixers.Mixed(
        jnp.concatenate([clean, mixed.x]),
        jnp.concatenate([own, mixed.sources]),
        jnp.concatenate([whole, mixed.weights]),
    )

  return mix

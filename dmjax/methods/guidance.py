"""Where the guidance comes from that the table of mixers declares.

What a mixer needs before mixing (`saliency`, `cam`, `features`, `attention`) are
maps of the images as they are, and cost an extra pass. What it needs after
(`attention`, `attentions`, `progress`) is made of the forward pass on the mixed
images, which is done anyway.
"""

from collections.abc import Callable
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from dmjax import losses
from dmjax import mixers
from dmjax import names
from dmjax.models import Network

Maps = dict[str, jax.Array]

# What each map costs beside the step itself.
_COSTS = {
    "saliency": "input gradients: one extra forward and backward pass",
    "cam": "class activation maps: one extra forward pass",
    "features": "features of the images: one extra forward pass",
    "attention": "attention of the images: one extra forward pass",
}
# Those that another network can make.
_TAUGHT = frozenset(("cam", "features", "attention"))
_DETECTORS = {
    "spectral_residual": mixers.saliency.spectral_residual,
    "fine_grained": mixers.saliency.fine_grained,
}
SALIENCIES = ("input_gradient", *_DETECTORS)


class Teacher(NamedTuple):
  """A trained network that guides a mixer, and is not trained.

  Attributes:
    network: The network.
    variables: Of it.
    image_size: Side of the images that it knows; they are resized to it.
    num_classes: Size of its head.
  """

  network: Network
  variables: Any
  image_size: int
  num_classes: int


def cost(
    needs: mixers.Guidance, saliency: str, teacher: Teacher | None = None
) -> str:
  """What the guidance of a mixer costs, in words; empty for nothing."""
  wanted = needs.before
  if saliency in _DETECTORS:
    wanted = wanted - {"saliency"}
  words = [_COSTS[name] for name in sorted(wanted)]
  if wanted & _TAUGHT:
    words.append("of the teacher" if teacher else "of the network itself")
  return "; ".join(words)


def teacher_of(parts: Any, name: str) -> Teacher | None:
  """The teacher that a configuration names.

  Args:
    parts: What the run gives a method.
    name: A workdir or a file; empty for none.

  Returns:
    The teacher.

  Raises:
    ValueError: For one that cannot be read, or has other classes than a class
      activation map needs.
  """
  if not name:
    return None
  _check_wanted(f"method.teacher={name!r}", parts.guidance)
  teacher = parts.teacher(name)
  if "cam" in parts.guidance.before and teacher.num_classes != parts.num_classes:
    raise ValueError(
        f"method.teacher={name!r} must know the {parts.num_classes} classes of"
        f" the data for class activation maps, it has {teacher.num_classes}"
    )
  return teacher


def _check_wanted(what, needs):
  if not needs.before & _TAUGHT:
    raise ValueError(
        f"{what} is for mixers that ask for {', '.join(sorted(_TAUGHT))}, and"
        " this one does not; leave it out"
    )


_UNGUIDED = (
    "the mixer is guided by maps of images [B, H, W, C], got x of shape {shape};"
    " take 'mixup', or for a graph 'manifold_mixup'"
)


def make_guide(
    network: Network,
    needs: mixers.Guidance,
    *,
    saliency: str,
    teacher: Teacher | None = None,
) -> Callable[..., Maps]:
  """Builds `guide(variables, batch, taught) -> maps`, the guidance before mixing.

  The networks run as in evaluation, so batch statistics are neither used by nor
  changed for it, and no gradient flows through the maps. `taught` are the
  variables of the teacher; without one the network is its own.

  Args:
    network: The network.
    needs: What the mixer needs.
    saliency: `input_gradient`, of the pixels, `spectral_residual` or
      `fine_grained`.
    teacher: What makes `cam`, `features` and `attention` instead.

  Returns:
    The function; its maps are those that the mixer needs.

  Raises:
    ValueError: For an unknown saliency, and a teacher that nothing asks for.
  """
  if teacher:
    _check_wanted("teacher", needs)
  if saliency not in SALIENCIES:
    raise ValueError(
        f"unknown saliency {saliency!r}; {names.suggest(saliency, SALIENCIES)}"
    )
  makers = {
      "saliency": functools.partial(_saliency, saliency),
      "cam": _class_activation,
      "features": _last_map,
      "attention": _attention,
  }

  def guide(variables, batch, taught=None):
    if needs.before and batch["x"].ndim != 4:
      raise ValueError(_UNGUIDED.format(shape=batch["x"].shape))

    def make(name):
      if teacher is None or name not in _TAUGHT:
        return makers[name](network, variables, batch)
      images = resized(batch["x"], teacher.image_size)
      return makers[name](teacher.network, taught, batch | {"x": images})

    maps = {name: make(name) for name in sorted(needs.before)}
    if "cam" in maps:
      shape = batch["x"].shape[:3]
      maps["cam"] = jax.image.resize(maps["cam"], shape, "linear")
    return jax.lax.stop_gradient(maps)

  return guide


def resized(images: jax.Array, side: int) -> jax.Array:
  """Images as a teacher of square ones of that side knows them."""
  if images.shape[1:3] == (side, side):
    return images
  shape = (images.shape[0], side, side, images.shape[3])
  return jax.image.resize(images, shape, "linear")


def _saliency(name, network, variables, batch):
  if name in _DETECTORS:
    return _DETECTORS[name](batch["x"])

  def loss(images):
    logits = network.predict(variables, images)
    ones = jnp.ones((images.shape[0], 1))
    return losses.mixup_cross_entropy(logits, batch["label"][:, None], ones)

  return mixers.saliency.input_gradient(loss, batch["x"])


def _last_map(network, variables, batch):
  stage = last_stage(network, variables, batch["x"])
  return network.predict(variables, batch["x"], features=stage)[1]


def _attention(network, variables, batch):
  return network.predict(variables, batch["x"], features="attention")[1]


def last_stage(network, variables, images):
  """Name of the last stage, learned from an abstract forward pass."""
  seen = []

  def hook(stage, x):
    seen.append(stage)
    return x

  # Not in training, where batch statistics may need an axis of devices.
  predict = functools.partial(network.predict, hook=hook)
  jax.eval_shape(predict, variables, images)
  return f"stage{max(seen)}"


def _class_activation(network, variables, batch):
  """`sum_d w[d, y] F_d` (arXiv 1512.04150)."""
  features = _last_map(network, variables, batch)
  weights = variables["params"]["head"]["kernel"][:, batch["label"]]
  return jnp.einsum("bhwd,db->bhw", features.astype(jnp.float32), weights)


def attention_of(beside: jax.Array) -> Maps:
  """What mixers are given of the attention that a forward pass returned.

  Args:
    beside: `[B, T]`, that of the last block's class token, or `[B, L, 1 + T,
      1 + T]`, that of all blocks and tokens.

  Returns:
    `attention`, and of all blocks `attentions` as well.
  """
  if beside.ndim == 2:
    return {"attention": beside}
  return {"attention": beside[:, -1, 0, 1:], "attentions": beside}


def progress(logits: jax.Array, labels: jax.Array, weights: jax.Array):
  """Cosine of the smoothed mixed label and the prediction (arXiv 2304.12043).

  Args:
    logits: `[B, C]`.
    labels: `int[B, K]`.
    weights: `[B, K]`.

  Returns:
    `float32[B]`, in [0, 1].
  """
  target = losses.soft_labels(
      labels, weights, logits.shape[-1], label_smoothing=0.1
  )
  p = jax.nn.softmax(logits.astype(jnp.float32))
  norms = jnp.linalg.norm(target, axis=1) * jnp.linalg.norm(p, axis=1)
  return jax.lax.stop_gradient(jnp.sum(target * p, axis=1) / norms)

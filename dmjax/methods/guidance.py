"""What guided mixers ask for, and where it comes from.

A mixer asks by the names of its options. Those without a default (`saliency`,
`cam`, `features`, `attention`) are maps of the images before they are mixed,
and cost an extra pass. Those with the default None (`attention`, `progress`)
are made of the forward pass on the mixed images, which is done anyway.
"""

from collections.abc import Callable
import inspect
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from dmjax import losses
from dmjax import mixers
from dmjax import names

Maps = dict[str, jax.Array]

# What each map costs beside the step itself.
_COSTS = {
    "saliency": "input gradients: one extra forward and backward pass",
    "cam": "class activation maps: one extra forward pass",
    "features": "teacher features: one extra forward pass",
    "attention": "attention of the images: one extra forward pass",
}
_DETECTORS = {
    "spectral_residual": mixers.saliency.spectral_residual,
    "fine_grained": mixers.saliency.fine_grained,
}
SALIENCIES = ("input_gradient", *_DETECTORS)


class Asked(NamedTuple):
  """The guidance a mixer asks for.

  Attributes:
    before: Names of maps of the images before they are mixed.
    after: Names of what comes from the forward pass on the mixed images.
    hidden: Whether the mixer mixes hidden layers too.
  """

  before: frozenset[str]
  after: frozenset[str]
  hidden: bool


def asked(mixer: Callable[..., Any]) -> Asked:
  """Reads from the signature of a mixer, or of its parts, what it asks for."""
  before, after = set(), set()
  for part in _parts(mixer):
    for name, option in inspect.signature(part).parameters.items():
      if name in _COSTS and option.default is option.empty:
        before.add(name)
      elif name in ("attention", "progress") and option.default is None:
        after.add(name)
  hidden = "stage" in mixers.options_of(mixer)
  return Asked(frozenset(before), frozenset(after), hidden)


def _parts(mixer):
  keywords = getattr(mixer, "keywords", {})
  parts = keywords.get("mixers", ()) or [keywords.get("mixer")]
  if parts == [None]:
    return [mixer]
  return [leaf for part in parts for leaf in _parts(part)]


def cost(mixer: Callable[..., Any], saliency: str) -> str:
  """What the guidance of a mixer costs, in words; empty for nothing."""
  wanted = asked(mixer).before
  if saliency in _DETECTORS:
    wanted = wanted - {"saliency"}
  return "; ".join(_COSTS[name] for name in sorted(wanted))


def make_guide(
    model: nn.Module,
    mixer: Callable[..., Any],
    *,
    saliency: str,
    mean: tuple[float, ...],
    std: tuple[float, ...],
) -> Callable[[Any, dict[str, jax.Array]], Maps]:
  """Builds `guide(variables, batch) -> maps`, the guidance before mixing.

  The network runs as in evaluation, so batch statistics are neither used by nor
  changed for it, and no gradient flows through the maps. It is its own teacher.

  Args:
    model: The network.
    mixer: The mixer.
    saliency: `input_gradient`, `spectral_residual` or `fine_grained`.
    mean: Of the normalisation that the images of a batch went through.
    std: Likewise.

  Returns:
    The function; its maps are those that the mixer asks for.

  Raises:
    ValueError: For an unknown saliency.
  """
  if saliency not in SALIENCIES:
    raise ValueError(
        f"unknown saliency {saliency!r}; {names.suggest(saliency, SALIENCIES)}"
    )
  wanted = asked(mixer).before

  def forward(variables, images, features=None):
    return model.apply(variables, images, train=False, features=features)

  def gradient(variables, batch):
    def loss(images):
      logits = forward(variables, images)
      ones = jnp.ones((images.shape[0], 1))
      return losses.mixup_cross_entropy(logits, batch["label"][:, None], ones)

    return mixers.saliency.input_gradient(loss, batch["image"])

  def detect(variables, batch):
    del variables
    shape = (1, 1, 1, -1)
    std_, mean_ = (jnp.asarray(v).reshape(shape) for v in (std, mean))
    return _DETECTORS[saliency](batch["image"] * std_ + mean_)

  def last_map(variables, batch):
    stage = _last_stage(model, variables, batch["image"])
    return forward(variables, batch["image"], stage)[1]

  def attention(variables, batch):
    return forward(variables, batch["image"], "attention")[1]

  makers = {
      "saliency": gradient if saliency == "input_gradient" else detect,
      "cam": lambda variables, batch: _class_activation(
          last_map(variables, batch), variables["params"]["head"]["kernel"],
          batch,
      ),
      "features": last_map,
      "attention": attention,
  }

  def guide(variables, batch):
    maps = {name: makers[name](variables, batch) for name in sorted(wanted)}
    return jax.lax.stop_gradient(maps)

  return guide


def _last_stage(model, variables, images):
  """Name of the last stage, learned from an abstract forward pass."""
  seen = []

  def hook(stage, x):
    seen.append(stage)
    return x

  apply = lambda v, x: model.apply(v, x, train=False, hook=hook)
  jax.eval_shape(apply, variables, images)
  return f"stage{max(seen)}"


def _class_activation(features, kernel, batch):
  """`sum_d w[d, y] F_d`, at the size of the images (arXiv 1512.04150)."""
  weights = kernel[:, batch["label"]]
  maps = jnp.einsum("bhwd,db->bhw", features.astype(jnp.float32), weights)
  size = batch["image"].shape[:3]
  return jax.image.resize(maps, size, "linear")


def training_free(mixer: Callable[..., Any], images: jax.Array) -> Maps:
  """Stand-ins for previews, made of the images alone.

  Args:
    mixer: The mixer.
    images: `[B, H, W, C]`, floating in [0, 1].

  Returns:
    The maps that the mixer asks for before mixing: the spectral residual, and
    colours in place of features.
  """
  saliency = mixers.saliency.spectral_residual(images)
  height, width = (max(side // 4, 2) for side in images.shape[1:3])
  small = lambda x: jax.image.resize(
      x, (x.shape[0], height, width, x.shape[-1]), "linear"
  )
  maps = {
      "saliency": saliency + 1e-6,
      "cam": saliency,
      "features": small(images),
      "attention": small(saliency[..., None]).reshape(images.shape[0], -1),
  }
  return {name: maps[name] for name in asked(mixer).before}


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

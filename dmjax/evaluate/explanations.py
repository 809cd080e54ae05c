"""What a network looks at, and its loss along lines: pure functions.

A heat map is a picture of one image, in [0, 1] with 1 where the network looks
most. Maps of two images do not compare in absolute terms.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from dmjax import losses


def grad_cam(
    network: Any,
    variables: Any,
    x: jax.Array,
    labels: jax.Array,
    *,
    stage: int,
) -> jax.Array:
  """Grad-CAM (arXiv 1610.02391, equations 1 and 2): where a class is seen.

      heat = relu( sum_d a_d F_d ),   a_d = mean over places of dz[y] / dF_d

  with F the map of a stage and z[y] the logit of the label. For a network that
  pools the last map and has a linear head this is class activation mapping
  (arXiv 1512.04150) up to a positive factor.

  Args:
    network: The network, see `dmjax.models.Network`; its hook is used.
    variables: Of it.
    x: Images `[B, H, W, C]` in [0, 1].
    labels: The classes that are looked for, `int[B]`.
    stage: Where the map is taken, as the hook counts: 1 is the first.

  Returns:
    `float32[B, H, W]`, the largest value of each image 1; 0 everywhere where
    nothing speaks for the class.

  Raises:
    ValueError: For inputs that are no images, and a stage that the network
      lacks or that gives no map.
  """
  name = f"stage{stage}"
  shape = _shape_of(network, variables, x, name)
  seen = stages(network, variables, x)[stage]
  if shape.ndim != 4 or seen.shape != shape.shape:
    raise ValueError(
        f"stage={stage} must give a map [B, h, w, D] for Grad-CAM, got"
        f" {seen.shape}; for vision transformers there is attention_rollout"
    )

  def score(shift):
    hook = lambda at, h: h + shift if at == stage else h
    logits, found = network.predict(variables, x, hook=hook, features=name)
    of_label = jnp.take_along_axis(logits, labels[:, None], axis=1)
    return jnp.sum(of_label.astype(jnp.float32)), found.astype(jnp.float32)

  # To differentiate by the map, something is added to it that is 0.
  gradient, found = jax.grad(score, has_aux=True)(jnp.zeros_like(shape))
  weights = jnp.mean(gradient.astype(jnp.float32), axis=(1, 2))
  return _heat(jax.nn.relu(jnp.einsum("bhwd,bd->bhw", found, weights)), x)


def attention_rollout(network: Any, variables: Any, x: jax.Array) -> jax.Array:
  """Attention rollout (arXiv 2005.00928) of a vision transformer, as heat maps.

  It tells from where the class token has its information, whatever class that
  speaks for. What every patch gives at least is taken off: most of a rollout is
  even.

  Args:
    network: The network, see `dmjax.models.Network`, with a class token.
    variables: Of it.
    x: Images `[B, H, W, C]` in [0, 1].

  Returns:
    `float32[B, H, W]`, of each image from 0 at the smallest share to 1.

  Raises:
    ValueError: For inputs that are no images, and a network without a class
      token, such as Swin and the convolutional ones.
  """
  try:
    _shape_of(network, variables, x, "attentions")
  except ValueError as error:
    raise ValueError(
        "attention_rollout needs a network with a class token, such as"
        f" 'deit_tiny'; for others there is grad_cam: {error}"
    ) from None
  grid = _shape_of(network, variables, x, "stage1").shape[:3]
  attentions = network.predict(variables, x, features="attentions")[1]
  shares = rollout(attentions)
  shares -= jnp.min(shares, axis=1, keepdims=True)
  return _heat(shares.reshape(grid), x)


def rollout(attentions: jax.Array) -> jax.Array:
  """How much of the class token comes from each patch (arXiv 2005.00928).

      A_l = (W_l + I) / 2,   the row of the class token in A_L ... A_2 A_1

  The identity stands for the residual connection of a block.

  Args:
    attentions: W, the mean over heads, `[B, L, 1 + T, 1 + T]`; rows sum to 1,
      and the class token is the first.

  Returns:
    `[B, T]`. Its sum is 1 less what the class token keeps of itself.
  """
  row = jnp.zeros_like(attentions[:, 0, 0]).at[:, 0].set(1.0)
  for layer in reversed(range(attentions.shape[1])):
    passed = jnp.einsum("bt,bts->bs", row, attentions[:, layer])
    row = (row + passed) / 2
  return row[:, 1:]


def stages(
    network: Any, variables: Any, x: jax.Array
) -> dict[int, jax.ShapeDtypeStruct]:
  """What the hook sees at every stage, as shapes; nothing is computed.

  Args:
    network: The network, see `dmjax.models.Network`.
    variables: Of it.
    x: Inputs `[B, ...]`.

  Returns:
    Shapes by stage, the input at 0, in ascending order.
  """
  seen = {}

  def hook(stage, h):
    seen[stage] = jax.ShapeDtypeStruct(h.shape, h.dtype)
    return h

  jax.eval_shape(lambda v, x: network.predict(v, x, hook=hook), variables, x)
  return seen


def loss_along_line(
    logits_fn: Callable[[jax.Array], jax.Array],
    x0: jax.Array,
    x1: jax.Array,
    labels0: jax.Array,
    labels1: jax.Array,
    points: jax.Array,
) -> jax.Array:
  """Cross-entropy to the mixed label on the lines between pairs of inputs.

      x = (1 - t) x0 + t x1,   L = -(1 - t) log p(x)[y0] - t log p(x)[y1]

  For a pair of two classes it is at least the entropy of (1 - t, t).

  Args:
    logits_fn: `x -> logits`, `[B, ...]` to `[B, C]`.
    x0: Where the lines start, `[B, ...]`.
    x1: Where they end.
    labels0: The classes of the starts, `int[B]`.
    labels1: Of the ends.
    points: t, `float[P]` in [0, 1].

  Returns:
    `float32[P, B]`.
  """
  labels = jnp.stack([labels0, labels1], axis=1)

  def at(t):
    weights = jnp.broadcast_to(jnp.stack([1 - t, t]), labels.shape)
    logits = logits_fn((1 - t) * x0 + t * x1)
    return losses.mixup_cross_entropy(logits, labels, weights)

  return jax.vmap(at)(jnp.asarray(points, jnp.float32))


def interpolate(variables0: Any, variables1: Any, t: jax.typing.ArrayLike):
  """The variables `(1 - t) v0 + t v1` between two of the same network.

  Batch statistics are interpolated as the parameters are. They are those of
  neither end, and not what a network in between would measure on the data: part
  of the loss between two runs is that they do not fit (arXiv 2211.08403).

  Args:
    variables0: At t = 0.
    variables1: At t = 1.
    t: The place, a scalar in [0, 1].

  Returns:
    The variables.

  Raises:
    ValueError: For variables of two networks.
  """
  shapes = [jax.tree.map(jnp.shape, v) for v in (variables0, variables1)]
  if shapes[0] != shapes[1]:
    raise ValueError(
        "variables0 and variables1 must be of the same network, they differ in"
        " their leaves or shapes"
    )
  return jax.tree.map(lambda a, b: (1 - t) * a + t * b, variables0, variables1)


def _shape_of(network, variables, x, features):
  """Shape of what a network returns beside the logits; nothing is computed."""
  if len(x.shape) != 4:
    raise ValueError(f"x must be images [B, H, W, C], got {x.shape}")
  predict = lambda v, x: network.predict(v, x, features=features)[1]
  return jax.eval_shape(predict, variables, x)


def _heat(heat, x):
  """A map `[B, h, w]`, not negative, at the size of the images, at most 1."""
  heat = jax.image.resize(heat, x.shape[:3], "linear")
  largest = jnp.max(heat, axis=(1, 2), keepdims=True)
  return heat / jnp.where(largest > 0, largest, 1.0)

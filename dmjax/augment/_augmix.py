"""AugMix (arXiv 1912.02781): a blend of several chains of operations."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from dmjax.augment import _checks
from dmjax.augment import _policy
from dmjax.augment import _randaugment
from dmjax.augment import _spaces

# Operations in a chain, at most.
_DEPTH = 3


def augmix(
    key: jax.Array,
    x: jax.Array,
    *,
    fill: Sequence[float] = (0.0,),
    severity: float = 3.0,
    width: int = 3,
    alpha: float = 1.0,
) -> jax.Array:
  """Blends each image with chains of random operations on it.

      x~ = (1 - m) x + m sum_i w_i chain_i(x)

  with m ~ Beta(alpha, alpha) and w ~ Dirichlet(alpha).

  A chain has one, two or three operations, as likely each, drawn evenly from
  nine: auto-contrast, equalize, posterize, solarize, a rotation, a shear or a
  translation along either axis. Those that resemble the corruptions of
  ImageNet-C, such as contrast, brightness and sharpness, are not among them.
  Each has a level of its own, uniform in [0.1, severity] of 10. The result lies
  between the image and what the operations make of it.

  Warps are bicubic and by any angle, where the authors' are bilinear and by
  whole degrees.

  Args:
    key: PRNG key.
    x: Images `[B, H, W, C]` in [0, 1], C = 1 or 3.
    fill: Colour of what comes from outside an image: one value, or one a
      channel, in [0, 1].
    severity: The largest level, in [0, 10]; 0 leaves the images as they are.
    width: Chains of an image.
    alpha: Of both distributions.

  Returns:
    `[B, H, W, C]` in [0, 1], dtype of x.

  Raises:
    ValueError: For other channels, and options out of range.

  Example:
    >>> key = jax.random.key(0)
    >>> x = jax.random.uniform(key, (4, 8, 8, 3))
    >>> jax.eval_shape(augment.augmix, key, x).shape    # compiles nothing
    (4, 8, 8, 3)
  """
  _checks.check_colours(x)
  _checks.check_number("severity", severity, 10)
  if not isinstance(width, int) or width < 1:
    raise ValueError(f"width must be an integer >= 1, got {width!r}")
  if not isinstance(alpha, jax.Array) and not alpha > 0:
    raise ValueError(f"alpha must be > 0, got {alpha}")
  _checks.per_channel("fill", fill, x)
  if not severity:
    return x
  draw_key, weight_key, blend_key = jax.random.split(key, 3)
  draws = _draw(draw_key, (x.shape[0] * width, _DEPTH), severity)
  images = x.astype(jnp.float32)
  chains = jnp.repeat(images, width, axis=0)
  for number, level, sign in zip(*(each.T for each in draws)):
    chains = _randaugment.apply_operation(
        chains, number, level, sign=sign, space="augmix", fill=fill
    )
  weights = jax.random.dirichlet(
      weight_key, jnp.full(width, alpha), x.shape[:1]
  )
  share = jax.random.beta(blend_key, alpha, alpha, (x.shape[0], 1, 1, 1))
  chains = chains.reshape(x.shape[0], width, *x.shape[1:])
  blend = jnp.einsum("bw,bwhvc->bhvc", weights, chains, precision="highest")
  return jnp.clip(images + share * (blend - images), 0, 1).astype(x.dtype)


def _draw(key, shape, severity):
  """Numbers, levels in [0, 1] and signs of operations, `[chains, depth]`."""
  number_key, level_key, sign_key, length_key = jax.random.split(key, 4)
  space = _spaces.find("augmix")
  numbers = jnp.asarray(
      [_randaugment.OPERATIONS.index(name) for name in space.operations]
  )
  row = jax.random.randint(number_key, shape, 0, len(space.operations))
  level = space.levels(level_key, shape, _policy.Policy("augmix", severity))
  sign = jax.random.rademacher(sign_key, shape, jnp.float32)
  length = jax.random.randint(length_key, (shape[0], 1), 1, shape[1] + 1)
  late = jnp.arange(shape[1])[None] >= length
  identity = _randaugment.OPERATIONS.index("identity")
  return jnp.where(late, identity, numbers[row]), level, sign

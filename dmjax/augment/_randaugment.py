"""RandAugment (arXiv 1909.13719), in the forms of `_spaces.SPACES`.

Every image has its own operations. A `switch` under `vmap` computes all its
branches, so the branches hold no more than what differs: six tone curves of
256 entries, four degenerate images, five matrices. What is costly is computed
once for each family: one look-up, one blend, one warp.
"""

from collections.abc import Sequence
import functools

import jax
import jax.numpy as jnp
import numpy as np

from dmjax.augment import _blends
from dmjax.augment import _checks
from dmjax.augment import _policy
from dmjax.augment import _spaces
from dmjax.augment import _tones
from dmjax.augment import _warps

_FAMILIES = (_tones.CURVES, _blends.DEGENERATES, _warps.MATRICES)

# Number of the first operation of each family, and of what is in none.
*_FIRST, _IDENTITY = (0, *np.cumsum([len(family) for family in _FAMILIES]))

# Names of the operations, in the order of their numbers.
OPERATIONS = *(name for family in _FAMILIES for name in family), "identity"


def rand_augment(
    key: jax.Array,
    x: jax.Array,
    *,
    policy: _policy.Policy,
    fill: Sequence[float],
) -> jax.Array:
  """Applies some random operations to each image.

  Operations are drawn evenly from those of the policy's space, with
  replacement, and directions evenly. In the spaces of timm and OpenMixup each
  is applied with probability 1/2, and magnitudes come from N(magnitude, std^2),
  clipped to [0, 10]. In those of FixMatch and TrivialAugment all are applied,
  and levels are drawn evenly. The square that FixMatch cuts out afterwards is
  no part of this.

  Warps are bicubic, with `fill` outside; what is published with FixMatch and
  TrivialAugment takes the nearest pixel, and black.

  Args:
    key: PRNG key.
    x: Images `[B, H, W, C]` in [0, 1], C = 1 or 3.
    policy: From which space, how many, and how strong; see `parse_policy`.
    fill: Colour of what comes from outside an image: one value, or one a
      channel, in [0, 1].

  Returns:
    `[B, H, W, C]` in [0, 1], dtype of x.

  Raises:
    ValueError: For an unknown space, other channels, and a fill that does not
      fit them.

  Example:
    >>> key = jax.random.key(0)
    >>> x = jax.random.uniform(key, (4, 8, 8, 3))
    >>> policy = augment.parse_policy("rand-m9-mstd0.5-inc1")
    >>> change = functools.partial(
    ...     augment.rand_augment, policy=policy, fill=(0.5,)
    ... )
    >>> jax.eval_shape(change, key, x).shape      # compiles nothing
    (4, 8, 8, 3)
  """
  space = _spaces.find(policy.space)
  _checks.check_colours(x)
  colour = _checks.per_channel("fill", fill, x)
  draw = functools.partial(_draw, policy=policy)
  draws = jax.vmap(draw)(jax.random.split(key, x.shape[0]))

  def augment(image, draws):
    for number, level, sign in zip(*draws):
      image = _operate(image, number, level, sign, space, colour)
    return image

  return jax.vmap(augment)(x.astype(jnp.float32), draws).astype(x.dtype)


def _draw(key, policy):
  """Numbers, levels in [0, 1] and signs of one image's operations, `[n]`."""
  number_key, apply_key, level_key, sign_key = jax.random.split(key, 4)
  space, shape = _spaces.find(policy.space), (policy.count,)
  numbers = jnp.asarray([OPERATIONS.index(name) for name in space.operations])
  row = jax.random.randint(number_key, shape, 0, len(space.operations))
  applied = jax.random.bernoulli(apply_key, space.probability, shape)
  level = space.levels(level_key, shape, policy)
  sign = jax.random.rademacher(sign_key, shape, jnp.float32)
  return jnp.where(applied, numbers[row], _IDENTITY), level, sign


def apply_operation(
    x: jax.Array,
    operation: str | jax.typing.ArrayLike,
    level: jax.typing.ArrayLike,
    *,
    sign: jax.typing.ArrayLike = 1,
    space: str = "timm_increasing",
    fill: Sequence[float] = (0.0,),
) -> jax.Array:
  """Applies one of the operations of RandAugment to each image.

  They agree with PIL's on images of whole grey levels, but for its rounding.

  Args:
    x: Images `[B, H, W, C]` in [0, 1], C = 1 or 3.
    operation: A name in `OPERATIONS`, or places in it: one, or `int[B]`.
    level: Magnitude in [0, 1], one or `[B]`.
    sign: Direction of warps and enhancements, 1 or -1, one or `[B]`.
    space: What level and sign mean: a name in `SPACES`.
    fill: Colour of what comes from outside an image: one value, or one a
      channel, in [0, 1].

  Returns:
    `[B, H, W, C]` in [0, 1], dtype of x.

  Raises:
    ValueError: For unknown names, other channels, and a fill that does not fit
      them.

  Example:
    >>> key = jax.random.key(0)
    >>> x = jax.random.uniform(key, (4, 8, 8, 3))
    >>> turn = lambda x: augment.apply_operation(x, "rotate", 0.5)
    >>> jax.eval_shape(turn, x).shape             # compiles nothing
    (4, 8, 8, 3)
  """
  found = _spaces.find(space)
  _checks.check_colours(x)
  colour = _checks.per_channel("fill", fill, x)
  arguments = (
      jnp.broadcast_to(jnp.asarray(argument, dtype), x.shape[:1])
      for argument, dtype in (
          (_number(operation), jnp.int32),
          (level, jnp.float32),
          (sign, jnp.float32),
      )
  )
  changed = jax.vmap(
      lambda *row: _operate(*row, space=found, fill=colour)
  )(x.astype(jnp.float32), *arguments)
  return changed.astype(x.dtype)


def _number(operation):
  if not isinstance(operation, str):
    return operation
  if operation not in OPERATIONS:
    raise ValueError(
        f"operation must be one of {', '.join(OPERATIONS)}, got {operation!r}"
    )
  return OPERATIONS.index(operation)


def _operate(image, number, level, sign, space, fill):
  """The operation of that number on one image `float32[H, W, C]`."""
  image, level, sign = _vary_alike(image, level, sign, number)
  factor, amount = space.factor(level, sign), space.amount(level, sign)
  changes = (
      lambda image, i: _tones.tone(image, i, level, space),
      lambda image, i: _blends.enhance(image, i, factor),
      lambda image, i: _warps.warp(image, i, amount, fill, space),
  )
  # One family after the other, of which two at least change nothing.
  for change, first, family in zip(changes, _FIRST, _FAMILIES):
    row = number - first
    mine = (row >= 0) & (row < len(family))
    image = jnp.where(mine, change(image, row), image)
  return image


def _vary_alike(image, level, sign, number):
  """All but the number, varying over devices where any of them does.

  Under `shard_map` the branches of a `switch` have to agree about that.
  """
  zero = sum(
      jnp.zeros_like(a, jnp.float32, ()) for a in (image, level, sign, number)
  )
  return image + zero, level + zero, sign + zero

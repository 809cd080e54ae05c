"""What every mixer shares: the draw of pairs and weights, and the blend."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from dmjax.mixers import _checks

PAIRINGS = ("permutation", "roll", "flip")


class Mixed(NamedTuple):
  """A mixed batch, and what went into it.

  Attributes:
    x: The mixed inputs, shape and dtype of the inputs of the mixer.
    sources: `int32[B, K]`, the rows of the batch in each mixed row; the first
      is the row itself. K = 2 for pairs.
    weights: `float32[B, K]`, the share of each source, in [0, 1], rows summing
      to 1. `weights[:, 0]` is the lambda of the papers. One exception: those of
      `snapmix` say how much of each object is seen and sum to 0 ... 2.
    mask: `float32[B, H, W, 1]`, the share of source 0 in each pixel, or
      `float32[B, T, 1]` in each step of a sequence; None for a blend that is
      the same everywhere.
  """

  x: jax.Array
  sources: jax.Array
  weights: jax.Array
  mask: jax.Array | None = None


class Pairs(NamedTuple):
  """Who is mixed with whom, how much of each, and a key for the rest.

  Attributes:
    keys: One PRNG key per row, all equal when one draw serves the whole batch.
    lam: `float32[B]`, the share asked for the row itself.
    partner: `int32[B]`, the row it is mixed with.
  """

  keys: jax.Array
  lam: jax.Array
  partner: jax.Array


def draw(
    key: jax.Array,
    x: jax.Array,
    *,
    alpha: float,
    lam: jax.typing.ArrayLike | None,
    partner: str | jax.typing.ArrayLike,
    per_batch: bool,
) -> Pairs:
  """Draws partners and lambda for the rows of `x`, or takes those given.

  Args:
    key: PRNG key.
    x: The inputs, `[B, ...]`, floating, the nodes of a graph or tokens.
    alpha: lambda ~ Beta(alpha, alpha).
    lam: Fixes lambda instead: a scalar or `[B]`.
    partner: `permutation` (a uniformly random cyclic permutation: nobody is
      paired with himself unless B = 1), `roll` (the row before, as in
      torchvision), `flip` (the batch reversed, as in timm) or `int[B]`.
    per_batch: One lambda and one key for all rows.

  Returns:
    The pairs.

  Raises:
    ValueError: For other inputs, and on the host for alpha that is not
      positive, lambda outside [0, 1] and partners that are no rows of the batch.
  """
  _check(x, alpha, lam, partner)
  batch = x.shape[0]
  partner_key, lam_key, rest_key = jax.random.split(key, 3)
  draws = 1 if per_batch else batch
  if lam is None:
    lam = beta(lam_key, alpha, (draws,))
  keys = jax.random.split(rest_key, draws)
  return Pairs(
      keys=jnp.broadcast_to(keys, (batch, *keys.shape[1:])),
      lam=jnp.broadcast_to(jnp.asarray(lam, jnp.float32), (batch,)),
      partner=_partner(partner_key, batch, partner),
  )


def beta(
    key: jax.Array, alpha: jax.typing.ArrayLike, shape: tuple[int, ...]
) -> jax.Array:
  """Beta(alpha, alpha); for alpha = 1, which is uniform, at a tenth of the time."""
  if isinstance(alpha, (int, float)) and alpha == 1:
    return jax.random.uniform(key, shape)
  return jax.random.beta(key, alpha, alpha, shape)


def _check(x, alpha, lam, partner):
  if not (jnp.issubdtype(x.dtype, jnp.floating) or is_text(x)):
    raise ValueError(
        f"x must be floating, got {x.dtype}; convert the images first, for"
        " example to float32 in [0, 1]"
    )
  _checks.check_positive("alpha", alpha)
  _checks.check_lam(lam, x.shape[0])
  _checks.check_partner(partner, x.shape[0], PAIRINGS)


def _partner(key, batch, partner):
  rows = jnp.arange(batch, dtype=jnp.int32)
  if not isinstance(partner, str):
    return jnp.asarray(partner, jnp.int32)
  if partner == "roll":
    return jnp.roll(rows, 1)
  if partner == "flip":
    return rows[::-1]
  order = jax.random.permutation(key, rows)
  return jnp.zeros_like(rows).at[order].set(jnp.roll(order, -1))


def blend(x: jax.Array, y: jax.Array, weight: jax.Array) -> jax.Array:
  """`weight * x + (1 - weight) * y`, in float32, returned in the dtype of x.

  Exactly x where the weight is 1, exactly y where it is 0, exactly x where the
  two are equal, and never outside their interval: the two-sided form of linear
  interpolation is monotone in floating point, the textbook form is not.
  """
  a, b = x.astype(jnp.float32), y.astype(jnp.float32)
  mixed = jnp.where(
      weight < 0.5, b + weight * (a - b), a - (1 - weight) * (a - b)
  )
  return mixed.astype(x.dtype)


def mix_by_weight(x: jax.Array, pairs: Pairs) -> Mixed:
  """Blends each row with its partner, the same everywhere.

  Raises:
    ValueError: For the nodes of a graph, and tokens.
  """
  check_array(x)
  weight = pairs.lam.reshape((-1,) + (1,) * (x.ndim - 1))
  mixed = blend(x, x[pairs.partner], weight)
  return Mixed(mixed, sources(pairs.partner), pair_weights(pairs.lam))


def mix_by_mask(
    x: jax.Array,
    partner: jax.Array,
    mask: jax.Array,
    other: jax.Array | None = None,
) -> Mixed:
  """Blends by a mask `[B, H, W]`; the weights are the mean of that mask.

  Args:
    x: Inputs `[B, H, W, C]`, or `[B, T, D]`.
    partner: `int32[B]`.
    mask: Share of the row itself in each pixel, `[B, H, W]`, or `[B, T]`.
    other: What is blended in, `x[partner]` unless given.

  Returns:
    The mixed batch.
  """
  mask = mask.astype(jnp.float32)[..., None]
  mixed = blend(x, x[partner] if other is None else other, mask)
  share = jnp.mean(mask, axis=tuple(range(1, mask.ndim)))
  share = jnp.clip(share, 0.0, 1.0)
  return Mixed(mixed, sources(partner), pair_weights(share), mask)


def sources(partner: jax.Array) -> jax.Array:
  """`int32[B]` partners -> `int32[B, 2]` sources."""
  rows = jnp.arange(partner.shape[0], dtype=jnp.int32)
  return jnp.stack([rows, partner], axis=1)


def pair_weights(share: jax.Array) -> jax.Array:
  """`float32[B]` shares of source 0 -> `float32[B, 2]` weights."""
  return jnp.stack([share, 1 - share], axis=1)


def vary_with(value: jax.Array, *others: jax.Array) -> jax.Array:
  """The value, on each device of its own if any of the others is.

  Under `shard_map` a loop has to start with a carry that varies over the axes
  of the mesh over which later ones do. Zeros made like the others see to it,
  and change nothing anywhere else.
  """
  for other in others:
    value += jnp.zeros_like(other, value.dtype, ())
  return value


def is_array(x: Any) -> bool:
  """Whether `x` is an array of values, not nodes of a graph or tokens of a text.

  Nodes have a shape `(B,)` and a dtype, but no values of their own, and tokens
  are names. The network looks up the features of either, and mixes them inside.
  """
  return hasattr(x, "astype") and not is_text(x)


def is_text(x: Any) -> bool:
  """Whether `x` is tokens, `int32[B, T]`."""
  return x.ndim == 2 and jnp.issubdtype(x.dtype, jnp.signedinteger)


def check_array(x: Any) -> None:
  """Raises ValueError for nodes of a graph and tokens, which are no values."""
  if not is_array(x):
    raise ValueError(
        "x holds nodes of a graph or tokens of a text, which are mixed inside"
        " the network only: take 'manifold_mixup'"
    )


def check_images(x: jax.Array) -> None:
  """Raises ValueError unless `x` is a batch of images `[B, H, W, C]`."""
  check_array(x)
  if x.ndim != 4:
    raise ValueError(
        f"x must be images [B, H, W, C], got shape {x.shape}; 'mixup' mixes"
        " inputs of any other shape"
    )


def check_maps(name: str, maps: jax.Array, x: jax.Array) -> jax.Array:
  """Maps `[B, H, W]` as float32 constants; ValueError if they do not fit."""
  if maps.shape != x.shape[:3]:
    raise ValueError(
        f"{name} must be [B, H, W] = {x.shape[:3]}, one map per image, got"
        f" shape {maps.shape}"
    )
  return jax.lax.stop_gradient(jnp.asarray(maps, jnp.float32))

"""MergeMix: the most attended tokens are kept, alike ones together."""

import functools

import jax
import jax.numpy as jnp

from dmjax.mixers import _core
from dmjax.mixers import _token_grid


def mergemix(
    key: jax.Array,
    x: jax.Array,
    *,
    attention: jax.typing.ArrayLike,
    features: jax.typing.ArrayLike,
    alpha: float = 1.0,
    lam: jax.typing.ArrayLike | None = None,
    partner: str | jax.typing.ArrayLike = "permutation",
    per_batch: bool = False,
    merge: float = 0.5,
) -> _core.Mixed:
  """Keeps the most attended tokens after merging those alike (MergeMix, 2025).

      A' = A, averaged over the tokens that are merged to one
      x~ = x_i in the floor(lam T) tokens of the largest A'_i, and x_j elsewhere

  Tokens are merged as in ToMe (arXiv 2210.09461): every second one is a
  candidate, whose match is the most alike of the others by the cosine of their
  features; the candidates most alike to theirs are merged. Attention and
  features are those of the *raw* images. The weights are the shares of tokens.

  Published, the network merges inside of its blocks, some tokens in each; here
  the tokens of the last block are merged, once, so that any transformer guides
  it. The published weights that are rescaled over a batch are left out, and
  so is the loss of a second batch, which `choose` with `mixup` comes close to.

  Args:
    key: PRNG key.
    x: Images `[B, H, W, C]`, floating.
    attention: `[B, T]`, not negative: attention of the class token of the last
      block to the T patches, averaged over heads, for the raw images.
    features: `[B, h, w, D]`, of the same T = h w tokens.
    alpha: lambda ~ Beta(alpha, alpha).
    lam: Fixes lambda instead, a scalar or `[B]`.
    partner: `permutation`, `roll`, `flip` or `int[B]`.
    per_batch: One lambda for the whole batch.
    merge: The share of tokens that are merged into another, at most a half;
      0 keeps single tokens by their attention.

  Returns:
    The mixed batch; its mask is 1 in the tokens that are kept.

  Raises:
    ValueError: For a share outside [0, 0.5], attention whose T is not a grid
      over the image, and features that are not of that grid.

  Example:
    >>> key = jax.random.key(0)
    >>> x = jax.random.uniform(key, (4, 8, 8, 3))
    >>> attention = jnp.ones((4, 16))
    >>> features = jax.random.uniform(key, (4, 4, 4, 16))
    >>> mixed = mixers.mergemix(
    ...     key, x, attention=attention, features=features
    ... )
    >>> print(mixed.x.shape, mixed.weights.shape)
    (4, 8, 8, 3) (4, 2)
  """
  _core.check_images(x)
  attention, features = jnp.asarray(attention), jnp.asarray(features)
  grid = _token_grid.grid_of(x, attention)
  _check(features, (x.shape[0], *grid), merge)
  pairs = _core.draw(
      key, x, alpha=alpha, lam=lam, partner=partner, per_batch=per_batch
  )
  maps = jax.lax.stop_gradient((attention, features))
  maps = jax.tree.map(lambda a: a.astype(jnp.float32), maps)
  tokens = attention.shape[1]
  merged = functools.partial(merged_attention, count=int(merge * tokens))
  attended = jax.vmap(merged)(maps[0], maps[1].reshape(*attention.shape, -1))
  # From the most attended on; of equal ones the first.
  rank = jnp.argsort(jnp.argsort(-attended, axis=1), axis=1)
  kept = rank < jnp.floor(pairs.lam * tokens)[:, None]
  mask = _token_grid.resize(kept.reshape(-1, *grid), x.shape[1:3])
  return _core.mix_by_mask(x, pairs.partner, mask)


def _check(features, shape, merge):
  if features.ndim != 4 or features.shape[:3] != shape:
    raise ValueError(
        "features must be [B, h, w, D] of the tokens that attention has,"
        f" {shape}, got shape {features.shape}"
    )
  if not 0 <= merge <= 0.5:
    raise ValueError(f"merge must lie in [0, 0.5], got {merge}")


def merged_attention(
    attention: jax.Array, features: jax.Array, *, count: int
) -> jax.Array:
  """The attention of one image, averaged over tokens that are merged.

  Args:
    attention: `float32[T]`.
    features: `float32[T, D]`.
    count: Tokens that are merged into another.

  Returns:
    `float32[T]`, the same for all tokens of a group.
  """
  tokens = attention.shape[0]
  length = jnp.sqrt(jnp.sum(jnp.square(features), axis=1, keepdims=True))
  unit = features / jnp.maximum(length, 1e-12)
  if not count or tokens < 2:
    return attention
  # Even tokens into odd ones, so that no group is longer than one step.
  alike = jnp.matmul(unit[::2], unit[1::2].T, precision="highest")
  best = jnp.argsort(-jnp.max(alike, axis=1))[:count]
  into = 2 * jnp.argmax(alike, axis=1) + 1
  group = jnp.arange(tokens).at[2 * best].set(into[best])
  total = jnp.zeros(tokens).at[group].add(attention)
  size = jnp.zeros(tokens).at[group].add(1.0)
  return (total / jnp.maximum(size, 1.0))[group]

"""What networks of texts share: embedded tokens, and masks of padding."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from dmjax.models import layers


class Embed(nn.Module):
  """A vector of each token, of unit variance, and 0 for padding.

  Attributes:
    vocabulary: Number of tokens.
    width: D.
    positions: Add sinusoids of the place (arXiv 1706.03762).
    dtype: Of the vectors; parameters stay float32.
  """

  vocabulary: int
  width: int
  positions: bool = False
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(
      self, x: jax.Array, hook: layers.Hook
  ) -> tuple[jax.Array, jax.Array]:
    """Tokens `int32[B, T]` to vectors `[B, T, D]` and their mask `[B, T, 1]`.

    Args:
      x: The tokens, 0 for padding.
      hook: Called with the vectors as stage 0.

    Returns:
      Vectors and mask, both after the hook.

    Raises:
      ValueError: For anything but tokens.
    """
    check_tokens(x)
    init = nn.initializers.normal(1.0)
    table = nn.Embed(
        self.vocabulary, self.width, embedding_init=init, dtype=self.dtype,
        name="table",
    )
    mask = (x != 0)[..., None].astype(self.dtype)
    h = table(x)
    if self.positions:
      h += sinusoids(x.shape[1], self.width).astype(self.dtype)[None]
    return hook(0, h * mask), hooked(hook, 0, mask)


def hooked(hook: layers.Hook, stage: int, mask: jax.Array) -> jax.Array:
  """The mask of what a hook made of a stage: where a source had a token.

  What is done to vectors is done to the mask as well: of rows that are blended
  it is the union, and where nothing is mixed it stays.

  Args:
    hook: Of the network.
    stage: Where it was called.
    mask: `[B, T, 1]`, 1 for tokens and 0 for padding.

  Returns:
    The same, of zeros and ones.
  """
  return (hook(stage, mask) > 0).astype(mask.dtype)


def sinusoids(length: int, width: int) -> jax.Array:
  """`float32[length, width]`: sines of the place, then cosines."""
  count = (width + 1) // 2
  rates = 10000.0 ** -(jnp.arange(count) / count)
  angles = jnp.arange(length)[:, None] * rates[None]
  return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=1)[:, :width]


def masked_mean(h: jax.Array, mask: jax.Array) -> jax.Array:
  """The mean of the vectors of tokens, float32; 0 of a text without any.

  Args:
    h: `[B, T, D]`.
    mask: `[B, T, 1]`.

  Returns:
    `float32[B, D]`.
  """
  h, mask = h.astype(jnp.float32), mask.astype(jnp.float32)
  return jnp.sum(h * mask, axis=1) / jnp.maximum(jnp.sum(mask, axis=1), 1)


def check_tokens(x: jax.Array):
  """Raises ValueError unless x is tokens, `int32[B, T]`."""
  whole = jnp.issubdtype(x.dtype, jnp.signedinteger)
  if not whole or len(x.shape) != 2:
    raise ValueError(
        f"x must be the tokens of texts, int32[B, T], got {x.dtype} of shape"
        f" {x.shape}; a network of texts is for data such as 'sst2'"
    )


def head(x: jax.Array, num_classes: int) -> jax.Array:
  """Sentences `[B, D]` to logits; to be called inside a module."""
  init = nn.initializers.normal(0.01)
  dense = nn.Dense(num_classes, kernel_init=init, name="head")
  return dense(x.astype(jnp.float32))

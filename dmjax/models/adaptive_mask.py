"""AdAutoMix's generator: masks for several images, from their features."""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from dmjax.models import mix_block


class AdaptiveMask(nn.Module):
  """Attention from the features of an image to those of the others.

      P_i = softmax(Q(f_i) (sum over j != i of K(f_j))^T / sqrt(D / 2))
      M = softmax over i of upsample(P_i V(f_i))

  of arXiv 2312.11954. At the initialisation all masks are about 1 / K.

  Attributes:
    embed: Tell the features their shares, by a channel beside them.
    upsample: `nearest` or `bilinear`, before the softmax over images.
    dtype: Of the projections; attention and masks are float32.
  """

  embed: bool = False
  upsample: str = "bilinear"
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(
      self,
      features: jax.Array,
      sources: jax.Array,
      weights: jax.Array,
      shape: Sequence[int],
      *,
      train: bool = False,
  ) -> jax.Array:
    """The masks of a batch.

    Args:
      features: `[B, h, w, D]`.
      sources: `int[B, K]`, the rows that are mixed.
      weights: `[B, K]`, their shares.
      shape: `(H, W)` of the images.
      train: Not looked at.

    Returns:
      `float32[B, K, H, W]`, positive, summing to 1 over K.

    Raises:
      ValueError: For an unknown upsampling.
    """
    del train
    if self.upsample not in mix_block.UPSAMPLING:
      raise ValueError(
          f"upsample must be one of {', '.join(mix_block.UPSAMPLING)}, got"
          f" {self.upsample!r}"
      )
    width = features.shape[-1] // 2
    maps = features[sources]
    if self.embed:
      shares = weights[:, :, None, None, None].astype(maps.dtype)
      shares = jnp.broadcast_to(shares, (*maps.shape[:-1], 1))
      maps = jnp.concatenate([maps, shares], axis=-1)
    query, key, value = (
        self._project(maps, size, name)
        for size, name in ((width, "query"), (width, "key"), (1, "value"))
    )
    logits = _attend(query, key, value).reshape(maps.shape[:-1])
    logits = jax.image.resize(
        logits, (*sources.shape, *shape[:2]), mix_block.UPSAMPLING[self.upsample]
    )
    return nn.softmax(logits, axis=1)

  def _project(self, maps, width, name):
    """A 1x1 convolution: `[B, K, h, w, D]` to `[B, K, h w, width]`."""
    init = nn.initializers.normal(0.01)
    projected = nn.Dense(width, dtype=self.dtype, kernel_init=init, name=name)(maps)
    return projected.reshape(*maps.shape[:2], -1, width)


def _attend(query, key, value):
  """`[B, K, n, D]`, twice, and `[B, K, n, 1]` to `float32[B, K, n]`."""
  key = key.astype(jnp.float32)
  others = jnp.sum(key, axis=1, keepdims=True) - key
  scores = jnp.einsum("bkqd,bkpd->bkqp", query.astype(jnp.float32), others)
  attention = nn.softmax(scores * query.shape[-1] ** -0.5)
  return jnp.einsum("bkqp,bkpv->bkq", attention, value.astype(jnp.float32))

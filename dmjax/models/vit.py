"""Vision transformer with a class token, DeiT's sizes (arXiv 2012.12877)."""

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from dmjax.models import layers


class Attention(nn.Module):
  """Self-attention of several heads; also returns its weights."""

  heads: int
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x):
    """Tokens `[B, T, D]` to `[B, T, D]` and `float32[B, heads, T, T]`."""
    batch, tokens, width = x.shape
    qkv = layers.dense(3 * width, self.dtype, name="qkv")(x)
    qkv = qkv.reshape(batch, tokens, 3, self.heads, width // self.heads)
    query, key, value = jnp.moveaxis(qkv, 2, 0)
    scores = jnp.einsum(
        "bqhd,bkhd->bhqk", query, key, preferred_element_type=jnp.float32
    )
    weights = nn.softmax(scores * (width // self.heads) ** -0.5)
    y = jnp.einsum("bhqk,bkhd->bqhd", weights.astype(self.dtype), value)
    y = y.reshape(batch, tokens, width)
    return layers.dense(width, self.dtype, name="proj")(y), weights


class Block(nn.Module):
  """Attention, then an MLP, each after a norm and beside the identity."""

  heads: int
  drop_path: float
  dtype: Any

  @nn.compact
  def __call__(self, x, train):
    norm = functools.partial(nn.LayerNorm, epsilon=1e-6, dtype=self.dtype)
    attention = Attention(self.heads, self.dtype, name="attn")
    y, weights = attention(norm(name="norm1")(x))
    x = x + layers.drop_path(y, self.drop_path, train)
    y = layers.Mlp(self.dtype, name="mlp")(norm(name="norm2")(x))
    return x + layers.drop_path(y, self.drop_path, train), weights


class ViT(nn.Module):
  """Vision transformer; stage i is its i-th block.

  Its hook sees tokens `[B, 1 + T, D]`, the class token first.

  Attributes:
    num_classes: Size of the head.
    patch: Side of a patch, in pixels.
    width: Of a token, D.
    depth: Number of blocks.
    heads: Of the attention.
    drop_path: Rate of stochastic depth at the last block.
    dtype: Of the computation; parameters and softmax stay float32.
  """

  num_classes: int
  patch: int = 16
  width: int = 192
  depth: int = 12
  heads: int = 3
  drop_path: float = 0.0
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(
      self,
      x: jax.Array,
      *,
      train: bool,
      hook: layers.Hook | None = None,
      features: str | None = None,
  ):
    """Images `[B, H, W, C]` to logits `float32[B, num_classes]`.

    Args:
      x: Normalised images; H and W are multiples of the patch.
      train: Drop paths.
      hook: `x = hook(stage, x)` after the input (stage 0) and every block.
      features: What to return beside the logits: a block, as `stage6`, for
        the map `[B, h, w, D]` of its patch tokens; `tokens` for those of the
        last block after the norm, as the head sees the class token;
        `attention` for that of the last block's class token to the T patches,
        `float32[B, T]`; or `attentions` for those of all tokens to all others
        in every block, `float32[B, depth, 1 + T, 1 + T]`. Of heads the mean.

    Returns:
      The logits, or the logits and the features.

    Raises:
      ValueError: If the patches do not tile the images.
    """
    hook = hook or layers.no_hook
    x, grid = self._embed(hook(0, x).astype(self.dtype))
    maps, attentions = {}, []
    (rates,) = layers.drop_rates(self.drop_path, (self.depth,))
    for index, rate in enumerate(rates):
      block = Block(self.heads, rate, self.dtype, name=f"block{index}")
      x, weights = block(x, train)
      x = hook(index + 1, x)
      attentions.append(jnp.mean(weights, axis=1))
      maps[f"stage{index + 1}"] = x[:, 1:].reshape(*grid, self.width)
    maps["attention"] = jnp.mean(weights[:, :, 0, 1:], axis=1)
    maps["attentions"] = jnp.stack(attentions, axis=1)
    norm = nn.LayerNorm(1e-6, dtype=jnp.float32, name="norm")
    maps["tokens"] = norm(x[:, 1:]).reshape(*grid, self.width)
    logits = layers.dense(self.num_classes, jnp.float32, name="head")(
        norm(x[:, 0])
    )
    return layers.answer(logits, maps, features)

  def _embed(self, x):
    """Tokens with their positions, and the shape `(B, h, w)` of the patches."""
    if x.shape[1] % self.patch or x.shape[2] % self.patch:
      raise ValueError(f"patch={self.patch} must divide images of {x.shape}")
    sides = (self.patch, self.patch)
    x = nn.Conv(
        self.width, sides, sides, "VALID", dtype=self.dtype,
        kernel_init=layers.narrow_normal, name="patch_embed",
    )(x)
    grid = x.shape[:3]
    x = x.reshape(grid[0], -1, self.width)
    init = layers.narrow_normal
    token = self.param("cls_token", init, (1, 1, self.width))
    token = jnp.broadcast_to(token.astype(x.dtype), (grid[0], 1, self.width))
    x = jnp.concatenate([token, x], axis=1)
    position = self.param("pos_embed", init, (1, *x.shape[1:]))
    return x + position.astype(x.dtype), grid


deit_tiny = ViT
deit_small = functools.partial(ViT, width=384, heads=6)
deit_base = functools.partial(ViT, width=768, heads=12)

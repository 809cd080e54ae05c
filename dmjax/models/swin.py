"""Swin transformer (arXiv 2103.14030): attention within shifted windows."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from dmjax.models import layers


def to_windows(x: jax.Array, side: int) -> jax.Array:
  """Map `[B, h, w, D]` to windows `[B, h w / side^2, side^2, D]`."""
  b, h, w, d = x.shape
  x = x.reshape(b, h // side, side, w // side, side, d)
  return x.swapaxes(2, 3).reshape(b, -1, side * side, d)


def from_windows(x: jax.Array, shape: tuple[int, ...], side: int) -> jax.Array:
  """The inverse of `to_windows`, to a map of that shape."""
  b, h, w, d = shape
  x = x.reshape(b, h // side, w // side, side, side, d)
  return x.swapaxes(2, 3).reshape(shape)


def neighbours(h: int, w: int, side: int, shift: int) -> np.ndarray:
  """Which tokens of a window were together before the map was rolled.

  Rolling by `shift` brings the first rows and columns to the end, into the
  windows of the last ones, which they must not see.

  Returns:
    `bool[h w / side^2, side^2, side^2]`.
  """
  rows, columns = np.arange(h) >= h - shift, np.arange(w) >= w - shift
  region = 2 * rows[:, None] + columns[None]
  region = region.reshape(h // side, side, w // side, side)
  region = region.swapaxes(1, 2).reshape(-1, side * side)
  return region[:, :, None] == region[:, None, :]


def offsets(side: int) -> np.ndarray:
  """Index of the offset between two tokens of a window.

  Returns:
    `int[side^2, side^2]`, rows of the table of `(2 side - 1)^2` offsets.
  """
  row, column = np.divmod(np.arange(side * side), side)
  rows = row[:, None] - row[None] + side - 1
  columns = column[:, None] - column[None] + side - 1
  return rows * (2 * side - 1) + columns


class WindowAttention(nn.Module):
  """Self-attention within windows, with a bias for every relative position."""

  heads: int
  side: int
  dtype: Any

  @nn.compact
  def __call__(self, x, visible):
    """Windows `[B, N, T, D]`, visibility `bool[N, T, T]`, to `[B, N, T, D]`."""
    batch, windows, tokens, width = x.shape
    table = self.param(
        "relative_position_bias_table", layers.narrow_normal,
        ((2 * self.side - 1) ** 2, self.heads),
    )
    qkv = layers.dense(3 * width, self.dtype, name="qkv")(x)
    qkv = qkv.reshape(batch, windows, tokens, 3, self.heads, -1)
    query, key, value = jnp.moveaxis(qkv, 3, 0)
    scores = jnp.einsum(
        "bnqhd,bnkhd->bnhqk", query, key, preferred_element_type=jnp.float32
    ) * (width // self.heads) ** -0.5
    bias = jnp.moveaxis(table[offsets(self.side)], -1, 0)
    scores = scores + bias.astype(jnp.float32)[None, None]
    scores = jnp.where(visible[None, :, None], scores, -jnp.inf)
    weights = nn.softmax(scores).astype(self.dtype)
    y = jnp.einsum("bnhqk,bnkhd->bnqhd", weights, value).reshape(x.shape)
    return layers.dense(width, self.dtype, name="proj")(y)


class Block(nn.Module):
  """Window attention, then an MLP, each after a norm, beside the identity."""

  heads: int
  side: int
  shift: int
  drop_path: float
  dtype: Any

  @nn.compact
  def __call__(self, x, train):
    y = nn.LayerNorm(1e-5, dtype=self.dtype, name="norm1")(x)
    y = self._attend(y)
    x = x + layers.drop_path(y, self.drop_path, train)
    y = nn.LayerNorm(1e-5, dtype=self.dtype, name="norm2")(x)
    y = layers.Mlp(self.dtype, name="mlp")(y)
    return x + layers.drop_path(y, self.drop_path, train)

  def _attend(self, x):
    h, w = x.shape[1:3]
    if h % self.side or w % self.side:
      raise ValueError(f"window={self.side} must divide maps of {(h, w)}")
    # A window as large as the map has nothing to be shifted against.
    shift = self.shift if min(h, w) > self.side else 0
    visible = neighbours(h, w, self.side, shift)
    y = to_windows(jnp.roll(x, (-shift, -shift), (1, 2)), self.side)
    attention = WindowAttention(self.heads, self.side, self.dtype, name="attn")
    y = from_windows(attention(y, visible), x.shape, self.side)
    return jnp.roll(y, (shift, shift), (1, 2))


class Swin(nn.Module):
  """Swin transformer.

  Attributes:
    num_classes: Size of the head.
    depths: Blocks per stage; every second one has its windows shifted.
    width: Of the first stage; every further one has twice that.
    heads: Of the attention, per stage.
    patch: Side of a patch, in pixels.
    window: Side of a window, in patches; that of the map if it is smaller.
    drop_path: Rate of stochastic depth at the last block.
    dtype: Of the computation; parameters and softmax stay float32.
  """

  num_classes: int
  depths: tuple[int, ...] = (2, 2, 6, 2)
  width: int = 96
  heads: tuple[int, ...] = (3, 6, 12, 24)
  patch: int = 4
  window: int = 7
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
      x: Normalised images, such that patches, windows and 2x2 merging tile
        them: 224 px for the window 7, 64 px for the window 4.
      train: Drop paths.
      hook: `x = hook(stage, x)` after the input (stage 0) and every stage,
        before the next one merges its patches.
      features: A stage, as `stage4`, whose map is also returned.

    Returns:
      The logits, or with `features` the logits and the map `[B, h, w, D]`.

    Raises:
      ValueError: If patches or windows do not tile the images.
    """
    hook = hook or layers.no_hook
    x = self._embed(hook(0, x).astype(self.dtype))
    maps = {}
    rates = layers.drop_rates(self.drop_path, self.depths)
    for stage, (heads, drops) in enumerate(zip(self.heads, rates), 1):
      x = self._merge(x, stage) if stage > 1 else x
      side = min(self.window, *x.shape[1:3])
      for index, drop in enumerate(drops):
        x = Block(
            heads, side, index % 2 * (side // 2), drop, self.dtype,
            name=f"stage{stage}_block{index}",
        )(x, train)
      maps[f"stage{stage}"] = x = hook(stage, x)
    x = nn.LayerNorm(1e-5, dtype=jnp.float32, name="norm")(x)
    x = jnp.mean(x, axis=(1, 2))
    logits = layers.dense(self.num_classes, jnp.float32, name="head")(x)
    return layers.answer(logits, maps, features)

  def _embed(self, x):
    if x.shape[1] % self.patch or x.shape[2] % self.patch:
      raise ValueError(f"patch={self.patch} must divide images of {x.shape}")
    sides = (self.patch, self.patch)
    x = nn.Conv(
        self.width, sides, sides, "VALID", dtype=self.dtype,
        kernel_init=layers.narrow_normal, name="patch_embed",
    )(x)
    return nn.LayerNorm(1e-5, dtype=self.dtype, name="patch_norm")(x)

  def _merge(self, x, stage):
    """Every 2x2 patches to one, twice as wide."""
    b, h, w, d = x.shape
    if h % 2 or w % 2:
      raise ValueError(f"stage {stage} cannot merge a map of {(h, w)} by 2x2")
    x = x.reshape(b, h // 2, 2, w // 2, 2, d)
    # Columns outside, rows inside: the order of published parameters.
    x = x.transpose(0, 1, 3, 4, 2, 5).reshape(b, h // 2, w // 2, 4 * d)
    name = f"stage{stage}_downsample"
    x = nn.LayerNorm(1e-5, dtype=self.dtype, name=f"{name}_norm")(x)
    return layers.dense(2 * d, self.dtype, f"{name}_reduce", use_bias=False)(x)


swin_tiny = Swin

"""A small convolutional network over time, for spectrograms."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from dmjax.models import layers


class Block(nn.Module):
  """Convolution of five taps and stride 2, batch norm, ReLU."""

  width: int
  conv: Callable[..., nn.Module]
  norm: Callable[..., nn.Module]

  @nn.compact
  def __call__(self, x):
    x = self.conv(self.width, (5,), (2,), padding=2, name="conv")(x)
    return nn.relu(self.norm(name="norm")(x))


class TemporalCNN(nn.Module):
  """Blocks of convolution, batch norm and ReLU over time, their mean, a head.

  The bands of the spectrogram are the channels of the first convolution. Every
  block has five taps and halves the number of frames.

  Attributes:
    num_classes: Size of the head.
    widths: Channels of each block.
    dtype: Of the computation; parameters and statistics stay float32.
    axis_name: Axis over which batch statistics are averaged, if any.
  """

  num_classes: int
  widths: tuple[int, ...] = (64, 64, 64)
  dtype: Any = jnp.float32
  axis_name: str | None = None

  @nn.compact
  def __call__(
      self,
      x: jax.Array,
      *,
      train: bool,
      hook: layers.Hook | None = None,
      features: str | None = None,
  ):
    """Spectrograms `[B, F, T, 1]` to logits `float32[B, num_classes]`.

    Args:
      x: Standardised spectrograms.
      train: Use and update batch statistics.
      hook: `x = hook(stage, x)` after the input (stage 0) and every block,
        where x is `[B, t, D]`.
      features: A block, as `stage3`, whose map is also returned.

    Returns:
      The logits, or with `features` the logits and the map `[B, t, D]`.
    """
    hook = hook or layers.no_hook
    conv, norm = layers.conv_and_norm(self, train)
    maps = {}
    x = hook(0, x).astype(self.dtype)
    batch, bands, frames, channels = x.shape
    x = jnp.moveaxis(x, 1, 2).reshape(batch, frames, bands * channels)
    for stage, width in enumerate(self.widths, 1):
      x = Block(width, conv, norm, name=f"block{stage - 1}")(x)
      maps[f"stage{stage}"] = x = hook(stage, x)
    logits = layers.pool_and_head(x[:, None], self.num_classes)
    return layers.answer(logits, maps, features)

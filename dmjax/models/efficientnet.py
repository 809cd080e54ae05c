"""EfficientNet-B0 (arXiv 1905.11946)."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from dmjax.models import layers

# Of B0.
STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)

# An input of a depthwise convolution reaches one channel, so that its fan out
# is what Flax takes for its fan in.
_depthwise_normal = nn.initializers.variance_scaling(2.0, "fan_in", "normal")


class Block(nn.Module):
  """Inverted residual that weighs its channels by squeeze and excitation."""

  expansion: int
  width: int
  stride: int
  kernel: int
  drop_path: float
  conv: Callable[..., nn.Module]
  norm: Callable[..., nn.Module]

  @nn.compact
  def __call__(self, x, train):
    y, inner = x, x.shape[-1] * self.expansion
    if self.expansion > 1:
      y = self.conv(inner, (1, 1), name="expand")(y)
      y = nn.silu(self.norm(name="expand_norm")(y))
    y = self.conv(
        inner, (self.kernel, self.kernel), (self.stride, self.stride),
        padding=self.kernel // 2, feature_group_count=inner,
        kernel_init=_depthwise_normal, name="depthwise",
    )(y)
    y = nn.silu(self.norm(name="depthwise_norm")(y))
    y = y * self._gate(y, squeezed=x.shape[-1] // 4)
    y = self.conv(self.width, (1, 1), name="project")(y)
    y = self.norm(name="project_norm")(y)
    if x.shape != y.shape:
      return y
    return x + layers.drop_path(y, self.drop_path, train)

  def _gate(self, y, squeezed):
    """Weights of the channels in (0, 1), `[B, 1, 1, D]`."""
    mean = jnp.mean(y, axis=(1, 2), keepdims=True, dtype=jnp.float32)
    z = self.conv(squeezed, (1, 1), use_bias=True, name="squeeze")(mean)
    z = self.conv(y.shape[-1], (1, 1), use_bias=True, name="excite")(nn.silu(z))
    return nn.sigmoid(z)


class EfficientNet(nn.Module):
  """EfficientNet: stages of blocks and, as the last, a 1x1 convolution.

  Attributes:
    num_classes: Size of the head.
    stages: Per stage: expansion, width, blocks, stride of the first block, side
      of the kernels.
    last_width: Of the convolution that is the last stage.
    drop_path: Rate of stochastic depth at the last block.
    dropout: Rate of dropout before the head, drawn in training from the rng
      collection `dropout`.
    dtype: Of the computation; parameters and statistics stay float32.
    axis_name: Axis over which batch statistics are averaged, if any.
  """

  num_classes: int
  stages: tuple[tuple[int, int, int, int, int], ...] = STAGES
  last_width: int = 1280
  drop_path: float = 0.0
  dropout: float = 0.0
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
    """Images `[B, H, W, C]` to logits `float32[B, num_classes]`.

    Args:
      x: Normalised images.
      train: Use and update batch statistics, drop paths and channels.
      hook: `x = hook(stage, x)` after the input (stage 0) and every stage.
      features: A stage, `stage1` to `stage8`, whose map is also returned.

    Returns:
      The logits, or with `features` the logits and the map `[B, h, w, D]`.

    Raises:
      ValueError: If a rate is not in [0, 1) or there is no such stage.
    """
    hook = hook or layers.no_hook
    conv, norm = layers.conv_and_norm(self, train)
    rates = layers.drop_rates(self.drop_path, tuple(s[2] for s in self.stages))
    maps = {}
    x = hook(0, x).astype(self.dtype)
    x = conv(32, (3, 3), (2, 2), padding=1, name="stem_conv")(x)
    x = nn.silu(norm(name="stem_norm")(x))
    for stage, (row, drops) in enumerate(zip(self.stages, rates), 1):
      expansion, width, _, stride, kernel = row
      for index, drop in enumerate(drops):
        x = Block(
            expansion, width, 1 if index else stride, kernel, drop, conv, norm,
            name=f"stage{stage}_block{index}",
        )(x, train)
      maps[f"stage{stage}"] = x = hook(stage, x)
    x = conv(self.last_width, (1, 1), name="last_conv")(x)
    x = nn.silu(norm(name="last_norm")(x))
    stage = len(self.stages) + 1
    maps[f"stage{stage}"] = x = hook(stage, x)
    return layers.answer(self._logits(x, train), maps, features)

  def _logits(self, x, train):
    layers.check_rate("dropout", self.dropout)
    # A channel dropped from the map is dropped from its mean.
    x = nn.Dropout(
        self.dropout, broadcast_dims=(1, 2), deterministic=not train
    )(x)
    return layers.pool_and_head(x, self.num_classes)


efficientnet_b0 = EfficientNet

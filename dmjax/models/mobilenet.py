"""MobileNetV2 (arXiv 1801.04381)."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from dmjax.models import layers

# Of width 1.
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class Block(nn.Module):
  """Inverted residual: 1x1 to many channels, 3x3 on each, 1x1 to few."""

  expansion: int
  width: int
  stride: int
  conv: Callable[..., nn.Module]
  norm: Callable[..., nn.Module]

  @nn.compact
  def __call__(self, x):
    y, inner = x, x.shape[-1] * self.expansion
    if self.expansion > 1:
      y = self.conv(inner, (1, 1), name="expand")(y)
      y = nn.relu6(self.norm(name="expand_norm")(y))
    y = self.conv(
        inner, (3, 3), (self.stride, self.stride), padding=1,
        feature_group_count=inner, name="depthwise",
    )(y)
    y = nn.relu6(self.norm(name="depthwise_norm")(y))
    y = self.conv(self.width, (1, 1), name="project")(y)
    y = self.norm(name="project_norm")(y)
    return x + y if x.shape == y.shape else y


class MobileNetV2(nn.Module):
  """MobileNetV2: seven stages of blocks and, as the eighth, a 1x1 convolution.

  Attributes:
    num_classes: Size of the head.
    stages: Per stage: expansion, width, blocks, stride of the first block.
    last_width: Of the convolution that is the last stage.
    dtype: Of the computation; parameters and statistics stay float32.
    axis_name: Axis over which batch statistics are averaged, if any.
  """

  num_classes: int
  stages: tuple[tuple[int, int, int, int], ...] = STAGES
  last_width: int = 1280
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
      train: Use and update batch statistics.
      hook: `x = hook(stage, x)` after the input (stage 0) and every stage.
      features: A stage, `stage1` to `stage8`, whose map is also returned.

    Returns:
      The logits, or with `features` the logits and the map `[B, h, w, D]`.
    """
    hook = hook or layers.no_hook
    conv, norm = layers.conv_and_norm(self, train)
    maps = {}
    x = hook(0, x).astype(self.dtype)
    x = conv(32, (3, 3), (2, 2), padding=1, name="stem_conv")(x)
    x = nn.relu6(norm(name="stem_norm")(x))
    for stage, (expansion, width, depth, stride) in enumerate(self.stages, 1):
      for index in range(depth):
        x = Block(
            expansion, width, 1 if index else stride, conv, norm,
            name=f"stage{stage}_block{index}",
        )(x)
      maps[f"stage{stage}"] = x = hook(stage, x)
    x = conv(self.last_width, (1, 1), name="last_conv")(x)
    x = nn.relu6(norm(name="last_norm")(x))
    stage = len(self.stages) + 1
    maps[f"stage{stage}"] = x = hook(stage, x)
    logits = layers.pool_and_head(x, self.num_classes)
    return layers.answer(logits, maps, features)


mobilenetv2 = MobileNetV2

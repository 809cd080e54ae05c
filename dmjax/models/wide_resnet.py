"""Wide ResNet (arXiv 1605.07146) as the semi-supervised papers train it.

Pre-activation blocks with leaky ReLUs, biased convolutions, and running
statistics that move slowly: `0.999 old + 0.001 new`.
"""

from collections.abc import Callable
import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from dmjax.models import layers

_act = functools.partial(nn.leaky_relu, negative_slope=0.1)


class Block(nn.Module):
  """Norm, activation, 3x3 convolution, twice, beside the identity.

  With `activate_first` the identity, too, sees the activated input, because
  nothing has normalised the output of the stem before.
  """

  width: int
  stride: int
  activate_first: bool
  conv: Callable[..., nn.Module]
  norm: Callable[..., nn.Module]

  @nn.compact
  def __call__(self, x):
    strides = (self.stride, self.stride)
    y = _act(self.norm(name="norm1")(x))
    x = y if self.activate_first else x
    y = self.conv(self.width, (3, 3), strides, padding=1, name="conv1")(y)
    y = _act(self.norm(name="norm2")(y))
    y = self.conv(self.width, (3, 3), padding=1, name="conv2")(y)
    if x.shape != y.shape:
      x = self.conv(self.width, (1, 1), strides, name="downsample_conv")(x)
    return x + y


class WideResNet(nn.Module):
  """Wide ResNet of three stages.

  Attributes:
    num_classes: Size of the head.
    depth: Number of layers, `6 n + 4` for n blocks per stage.
    widen: Factor of the widths 16, 32, 64.
    dtype: Of the computation; parameters and statistics stay float32.
    axis_name: Axis over which batch statistics are averaged, if any.
  """

  num_classes: int
  depth: int = 28
  widen: int = 2
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
      hook: `x = hook(stage, x)` after the input (stage 0) and every stage,
        the last norm and activation belonging to the last one.
      features: A stage, `stage1` to `stage3`, whose map is also returned.

    Returns:
      The logits, or with `features` the logits and the map `[B, h, w, D]`.

    Raises:
      ValueError: If `depth` is none of 10, 16, 22, 28, ...
    """
    if self.depth < 10 or self.depth % 6 != 4:
      raise ValueError(f"depth={self.depth} must be 6 n + 4 for some n >= 1")
    hook = hook or layers.no_hook
    conv, norm = layers.conv_and_norm(
        self, train, use_bias=True, momentum=0.999, epsilon=1e-3
    )
    maps = {}
    x = hook(0, x).astype(self.dtype)
    x = conv(16, (3, 3), padding=1, name="stem_conv")(x)
    for stage in (1, 2, 3):
      x = self._stage(x, stage, conv, norm)
      if stage == 3:
        x = _act(norm(name="norm")(x))
      maps[f"stage{stage}"] = x = hook(stage, x)
    logits = layers.pool_and_head(x, self.num_classes)
    return layers.answer(logits, maps, features)

  def _stage(self, x, stage, conv, norm):
    for index in range((self.depth - 4) // 6):
      x = Block(
          width=8 * 2**stage * self.widen,
          stride=2 if stage > 1 and index == 0 else 1,
          activate_first=stage == 1 and index == 0,
          conv=conv,
          norm=norm,
          name=f"stage{stage}_block{index}",
      )(x)
    return x


wide_resnet28_2 = WideResNet
wide_resnet28_8 = functools.partial(WideResNet, widen=8)
wide_resnet28_10 = functools.partial(WideResNet, widen=10)

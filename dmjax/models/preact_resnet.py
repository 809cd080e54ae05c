"""Pre-activation ResNet (arXiv 1603.05027) for 32 px and 64 px.

These are the networks with which manifold mixup, Puzzle Mix and MixupE were
measured on CIFAR and Tiny-ImageNet. Their codes differ from the paper at both
ends, and this follows them: the identity beside the first block is not
activated, and neither norm nor ReLU comes after the last block.
"""

from collections.abc import Callable
import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from dmjax.models import layers


class Block(nn.Module):
  """Norm, ReLU and a 3x3 convolution, twice; or 1x1, 3x3, 1x1 (`bottleneck`).

  Beside them the identity, or a convolution of the first activation.
  """

  width: int
  stride: int
  bottleneck: bool
  conv: Callable[..., nn.Module]
  norm: Callable[..., nn.Module]

  @nn.compact
  def __call__(self, x):
    out = self.width * (4 if self.bottleneck else 1)
    strides = (self.stride, self.stride)
    y = self._activate(x, "norm1")
    if x.shape[-1] != out or self.stride != 1:
      x = self.conv(out, (1, 1), strides, name="downsample_conv")(y)
    branch = self._bottleneck if self.bottleneck else self._basic
    return x + branch(y, strides)

  def _basic(self, y, strides):
    y = self.conv(self.width, (3, 3), strides, padding=1, name="conv1")(y)
    y = self._activate(y, "norm2")
    return self.conv(self.width, (3, 3), padding=1, name="conv2")(y)

  def _bottleneck(self, y, strides):
    y = self.conv(self.width, (1, 1), name="conv1")(y)
    y = self._activate(y, "norm2")
    y = self.conv(self.width, (3, 3), strides, padding=1, name="conv2")(y)
    y = self._activate(y, "norm3")
    return self.conv(self.width * 4, (1, 1), name="conv3")(y)

  def _activate(self, x, name):
    return nn.relu(self.norm(name=name)(x))


class PreActResNet(nn.Module):
  """Pre-activation ResNet.

  Attributes:
    num_classes: Size of the head.
    depths: Blocks per stage.
    widths: Width of each stage, before the bottleneck's factor of 4.
    bottleneck: 1x1, 3x3, 1x1 blocks (PreActResNet-50).
    stem_stride: Of the first convolution: 1, or 2 for Tiny-ImageNet at 64 px.
    dtype: Of the computation; parameters and statistics stay float32.
    axis_name: Axis over which batch statistics are averaged, if any.
  """

  num_classes: int
  depths: tuple[int, ...] = (2, 2, 2, 2)
  widths: tuple[int, ...] = (64, 128, 256, 512)
  bottleneck: bool = False
  stem_stride: int = 1
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
      features: A stage, as `stage4`, whose map is also returned.

    Returns:
      The logits, or with `features` the logits and the map `[B, h, w, D]`.

    Raises:
      ValueError: If `stem_stride` is neither 1 nor 2.
    """
    if self.stem_stride not in (1, 2):
      raise ValueError(f"stem_stride={self.stem_stride!r} must be 1 or 2")
    hook = hook or layers.no_hook
    conv, norm = layers.conv_and_norm(self, train)
    maps, strides = {}, (self.stem_stride, self.stem_stride)
    x = hook(0, x).astype(self.dtype)
    x = conv(self.widths[0], (3, 3), strides, padding=1, name="stem_conv")(x)
    for stage, (width, depth) in enumerate(zip(self.widths, self.depths), 1):
      for index in range(depth):
        x = Block(
            width, 2 if stage > 1 and index == 0 else 1, self.bottleneck, conv,
            norm, name=f"stage{stage}_block{index}",
        )(x)
      maps[f"stage{stage}"] = x = hook(stage, x)
    logits = layers.pool_and_head(x, self.num_classes)
    return layers.answer(logits, maps, features)


preact_resnet18 = PreActResNet
preact_resnet50 = functools.partial(
    PreActResNet, bottleneck=True, depths=(3, 4, 6, 3)
)

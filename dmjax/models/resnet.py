"""ResNet and ResNeXt (arXiv 1512.03385, 1611.05431) for 32 px and 224 px.

With the `cifar` stem, a 3x3 convolution of stride 1 and no max-pool, these are
the networks of the CIFAR and Tiny-ImageNet results; with the `imagenet` stem
they agree with timm's and torchvision's.
"""

from collections.abc import Callable
import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from dmjax.models import layers


class Block(nn.Module):
  """Residual block: two 3x3 convolutions, or 1x1, 3x3, 1x1 (`bottleneck`)."""

  width: int
  stride: int = 1
  bottleneck: bool = False
  groups: int = 1
  group_width: int = 64
  drop_path: float = 0.0
  conv: Callable[..., nn.Module] = nn.Conv
  norm: Callable[..., nn.Module] = nn.BatchNorm

  @nn.compact
  def __call__(self, x, train):
    out = self.width * (4 if self.bottleneck else 1)
    strides = (self.stride, self.stride)
    y = (self._bottleneck if self.bottleneck else self._basic)(x, strides)
    if x.shape[-1] != out or self.stride != 1:
      x = self.conv(out, (1, 1), strides, name="downsample_conv")(x)
      x = self.norm(name="downsample_norm")(x)
    return nn.relu(x + layers.drop_path(y, self.drop_path, train))

  def _basic(self, x, strides):
    y = self.conv(self.width, (3, 3), strides, padding=1, name="conv1")(x)
    y = nn.relu(self.norm(name="norm1")(y))
    y = self.conv(self.width, (3, 3), padding=1, name="conv2")(y)
    # A last scale of zero makes every block start as the identity.
    return self.norm(scale_init=nn.initializers.zeros, name="norm2")(y)

  def _bottleneck(self, x, strides):
    inner = self.width * self.group_width // 64 * self.groups
    y = self.conv(inner, (1, 1), name="conv1")(x)
    y = nn.relu(self.norm(name="norm1")(y))
    y = self.conv(
        inner, (3, 3), strides, padding=1, feature_group_count=self.groups,
        name="conv2",
    )(y)
    y = nn.relu(self.norm(name="norm2")(y))
    y = self.conv(self.width * 4, (1, 1), name="conv3")(y)
    return self.norm(scale_init=nn.initializers.zeros, name="norm3")(y)


class ResNet(nn.Module):
  """ResNet and ResNeXt.

  Attributes:
    num_classes: Size of the head.
    depths: Blocks per stage.
    widths: Width of each stage, before the bottleneck's factor of 4.
    bottleneck: 1x1, 3x3, 1x1 blocks (ResNet-50 and deeper).
    groups: Cardinality of ResNeXt.
    group_width: Base width of ResNeXt; 64 for ResNet.
    stem: `cifar` or `imagenet`.
    stem_width: Width of the stem; that of the first stage by default.
    drop_path: Rate of stochastic depth at the last block.
    dtype: Of the computation; parameters and statistics stay float32.
    axis_name: Axis over which batch statistics are averaged, if any.
  """

  num_classes: int
  depths: tuple[int, ...] = (2, 2, 2, 2)
  widths: tuple[int, ...] = (64, 128, 256, 512)
  bottleneck: bool = False
  groups: int = 1
  group_width: int = 64
  stem: str = "cifar"
  stem_width: int | None = None
  drop_path: float = 0.0
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
    """
    hook = hook or layers.no_hook
    conv, norm = layers.conv_and_norm(self, train)
    maps = {}
    x = self._stem(hook(0, x).astype(self.dtype), conv, norm)
    rates = layers.drop_rates(self.drop_path, self.depths)
    for stage, (width, drops) in enumerate(zip(self.widths, rates), 1):
      for index, drop in enumerate(drops):
        x = Block(
            width, 2 if stage > 1 and index == 0 else 1, self.bottleneck,
            self.groups, self.group_width, drop, conv, norm,
            name=f"stage{stage}_block{index}",
        )(x, train)
      maps[f"stage{stage}"] = x = hook(stage, x)
    logits = layers.pool_and_head(x, self.num_classes)
    return layers.answer(logits, maps, features)

  def _stem(self, x, conv, norm):
    layers.check_stem(self.stem)
    width = self.stem_width or self.widths[0]
    if self.stem == "cifar":
      x = conv(width, (3, 3), padding=1, name="stem_conv")(x)
      return nn.relu(norm(name="stem_norm")(x))
    x = conv(width, (7, 7), (2, 2), padding=3, name="stem_conv")(x)
    x = nn.relu(norm(name="stem_norm")(x))
    return nn.max_pool(x, (3, 3), (2, 2), padding=((1, 1), (1, 1)))


_bottleneck = functools.partial(ResNet, bottleneck=True)

resnet8 = functools.partial(ResNet, depths=(1, 1, 1), widths=(16, 32, 64))
resnet18 = ResNet
resnet34 = functools.partial(ResNet, depths=(3, 4, 6, 3))
resnet50 = functools.partial(_bottleneck, depths=(3, 4, 6, 3))
resnet101 = functools.partial(_bottleneck, depths=(3, 4, 23, 3))
resnext50_32x4d = functools.partial(resnet50, groups=32, group_width=4)
resnext101_32x4d = functools.partial(resnet101, groups=32, group_width=4)

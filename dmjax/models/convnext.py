"""ConvNeXt (arXiv 2201.03545) for 32 px and 224 px.

The `imagenet` stem cuts 4x4 patches, as in timm and torchvision; the `cifar`
stem is a 3x3 convolution of stride 1, so that 32 px end in a 4x4 map.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from dmjax.models import layers


class Block(nn.Module):
  """7x7 convolution of each channel, norm, MLP, scaled, beside the identity."""

  drop_path: float
  dtype: Any

  @nn.compact
  def __call__(self, x, train):
    width = x.shape[-1]
    y = nn.Conv(
        width, (7, 7), padding=3, feature_group_count=width, dtype=self.dtype,
        kernel_init=layers.narrow_normal, name="conv_dw",
    )(x)
    y = nn.LayerNorm(1e-6, dtype=self.dtype, name="norm")(y)
    y = layers.Mlp(self.dtype, name="mlp")(y)
    gamma = self.param("gamma", nn.initializers.constant(1e-6), (width,))
    y = y * jnp.broadcast_to(gamma.astype(y.dtype), y.shape)
    return x + layers.drop_path(y, self.drop_path, train)


class ConvNeXt(nn.Module):
  """ConvNeXt.

  Attributes:
    num_classes: Size of the head.
    depths: Blocks per stage.
    widths: Width of each stage.
    stem: `cifar` or `imagenet`.
    drop_path: Rate of stochastic depth at the last block.
    dtype: Of the computation; parameters and statistics stay float32.
  """

  num_classes: int
  depths: tuple[int, ...] = (3, 3, 9, 3)
  widths: tuple[int, ...] = (96, 192, 384, 768)
  stem: str = "cifar"
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
      x: Normalised images.
      train: Drop paths.
      hook: `x = hook(stage, x)` after the input (stage 0) and every stage.
      features: A stage, as `stage4`, whose map is also returned.

    Returns:
      The logits, or with `features` the logits and the map `[B, h, w, D]`.
    """
    hook = hook or layers.no_hook
    x = hook(0, x).astype(self.dtype)
    maps = {}
    rates = layers.drop_rates(self.drop_path, self.depths)
    for stage, (width, drops) in enumerate(zip(self.widths, rates), 1):
      x = self._downsample(x, stage, width) if stage > 1 else self._stem(x)
      for index, drop in enumerate(drops):
        name = f"stage{stage}_block{index}"
        x = Block(drop, self.dtype, name=name)(x, train)
      maps[f"stage{stage}"] = x = hook(stage, x)
    x = jnp.mean(x.astype(jnp.float32), axis=(1, 2))
    x = nn.LayerNorm(1e-6, dtype=jnp.float32, name="norm")(x)
    logits = layers.dense(self.num_classes, jnp.float32, name="head")(x)
    return layers.answer(logits, maps, features)

  def _stem(self, x):
    layers.check_stem(self.stem)
    side, stride, padding = (3, 1, 1) if self.stem == "cifar" else (4, 4, 0)
    x = nn.Conv(
        self.widths[0], (side, side), (stride, stride), padding,
        dtype=self.dtype, kernel_init=layers.narrow_normal, name="stem_conv",
    )(x)
    return nn.LayerNorm(1e-6, dtype=self.dtype, name="stem_norm")(x)

  def _downsample(self, x, stage, width):
    name = f"stage{stage}_downsample"
    x = nn.LayerNorm(1e-6, dtype=self.dtype, name=f"{name}_norm")(x)
    return nn.Conv(
        width, (2, 2), (2, 2), "VALID", dtype=self.dtype,
        kernel_init=layers.narrow_normal, name=f"{name}_conv",
    )(x)


convnext_tiny = ConvNeXt

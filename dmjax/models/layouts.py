"""How timm names the parameters of our networks.

A layout is a sequence of rules, a pattern and what replaces it, that are
applied in order to the path of a module. torchvision's ResNets and ResNeXts
have the names of timm's.
"""

from collections.abc import Callable, Mapping, Sequence
import re
from typing import Any

import flax.linen as nn

from dmjax.models import convnext
from dmjax.models import efficientnet
from dmjax.models import mobilenet
from dmjax.models import resnet
from dmjax.models import swin
from dmjax.models import vit

Rules = Sequence[tuple[str, str | Callable[[re.Match], str]]]


def _stage(form: str, first: int = 0) -> Callable[[re.Match], str]:
  """Our stages count from 1, those of the form from `first`."""

  def renamed(found):
    stage, *rest = found.groups()
    return form.format(int(stage) - 1 + first, *rest)

  return renamed


_RESNET = (
    (r"^stem_conv$", "conv1"),
    (r"^stem_norm$", "bn1"),
    (r"^stage(\d+)_block(\d+)", r"layer\1.\2"),
    (r"downsample_conv$", "downsample.0"),
    (r"downsample_norm$", "downsample.1"),
    (r"norm(\d)$", r"bn\1"),
    (r"^head$", "fc"),
)
_MOBILENET = (
    (r"^stem_conv$", "conv_stem"),
    (r"^stem_norm$", "bn1"),
    # The first stage does not expand, and its norms are counted from there.
    (r"^(stage1_.*)depthwise_norm$", r"\1bn1"),
    (r"^(stage1_.*)project_norm$", r"\1bn2"),
    (r"^(stage1_.*)project$", r"\1conv_pw"),
    (r"expand_norm$", "bn1"),
    (r"depthwise_norm$", "bn2"),
    (r"project_norm$", "bn3"),
    (r"expand$", "conv_pw"),
    (r"depthwise$", "conv_dw"),
    (r"project$", "conv_pwl"),
    # Of EfficientNet, which is named alike.
    (r"squeeze$", "se.conv_reduce"),
    (r"excite$", "se.conv_expand"),
    (r"^stage(\d+)_block(\d+)", _stage("blocks.{}.{}")),
    (r"^last_conv$", "conv_head"),
    (r"^last_norm$", "bn2"),
    (r"^head$", "classifier"),
)
_VIT = (
    (r"^patch_embed$", "patch_embed.proj"),
    (r"^block(\d+)", r"blocks.\1"),
)
_CONVNEXT = (
    (r"^head$", "head.fc"),
    (r"^norm$", "head.norm"),
    (r"^stem_conv$", "stem.0"),
    (r"^stem_norm$", "stem.1"),
    (r"^stage(\d+)_downsample_norm$", _stage("stages.{}.downsample.0")),
    (r"^stage(\d+)_downsample_conv$", _stage("stages.{}.downsample.1")),
    (r"^stage(\d+)_block(\d+)", _stage("stages.{}.blocks.{}")),
)
_SWIN_BODY = (
    (r"^patch_embed$", "patch_embed.proj"),
    (r"^patch_norm$", "patch_embed.norm"),
    (r"downsample_reduce$", "downsample_reduction"),
    (r"^stage(\d+)_block(\d+)", _stage("layers.{}.blocks.{}")),
)
_SWIN = (
    *_SWIN_BODY,
    (r"^stage(\d+)_downsample_", _stage("layers.{}.downsample.")),
    (r"^head$", "head.fc"),
)
# Before timm 0.9 the merging of patches ended a stage instead of beginning it.
_SWIN_BEFORE_0_9 = (
    *_SWIN_BODY,
    (r"^stage(\d+)_downsample_", _stage("layers.{}.downsample.", first=-1)),
)


_LAYOUTS = {
    resnet.ResNet: _RESNET,
    mobilenet.MobileNetV2: _MOBILENET,
    efficientnet.EfficientNet: _MOBILENET,
    vit.ViT: _VIT,
    convnext.ConvNeXt: _CONVNEXT,
    swin.Swin: _SWIN,
}


def has_layout(model: nn.Module) -> bool:
  """Whether parameters of this kind of network have published names."""
  return type(model) in _LAYOUTS


def rules_for(model: nn.Module, state: Mapping[str, Any]) -> Rules:
  """The layout of a network in a state dict.

  Raises:
    ValueError: If nobody publishes parameters of this kind of network.
  """
  if not has_layout(model):
    raise ValueError(f"model={type(model).__name__} has no published layout")
  if type(model) is swin.Swin and "layers.0.downsample.norm.weight" in state:
    return _SWIN_BEFORE_0_9
  return _LAYOUTS[type(model)]


def published_name(path: tuple[str, ...], rules: Rules) -> str:
  """The name in a state dict of the variable at that path.

  Args:
    path: Collection, modules and leaf, as `("params", "stem_conv", "kernel")`.
    rules: From `rules_for`.

  Returns:
    A name such as `conv1.weight`.
  """
  module = ".".join(path[1:-1])
  for pattern, replacement in rules:
    module = re.sub(pattern, replacement, module)
  leaf = {
      "kernel": "weight",
      "scale": "weight",
      "mean": "running_mean",
      "var": "running_var",
  }.get(path[-1], path[-1])
  return f"{module}.{leaf}" if module else leaf

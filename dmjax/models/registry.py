"""The networks, by name."""

import inspect
from typing import Any

import flax.linen as nn

from dmjax import names
from dmjax.models import convnext
from dmjax.models import efficientnet
from dmjax.models import gcn
from dmjax.models import mlp
from dmjax.models import mobilenet
from dmjax.models import patch_mlp
from dmjax.models import preact_resnet
from dmjax.models import resnet
from dmjax.models import swin
from dmjax.models import temporal_cnn
from dmjax.models import text_cnn
from dmjax.models import text_transformer
from dmjax.models import vit
from dmjax.models import wide_resnet

MODELS = {
    "resnet8": resnet.resnet8,
    "resnet18": resnet.resnet18,
    "resnet34": resnet.resnet34,
    "resnet50": resnet.resnet50,
    "resnet101": resnet.resnet101,
    "resnext50_32x4d": resnet.resnext50_32x4d,
    "resnext101_32x4d": resnet.resnext101_32x4d,
    "preact_resnet18": preact_resnet.preact_resnet18,
    "preact_resnet50": preact_resnet.preact_resnet50,
    "wide_resnet28_2": wide_resnet.wide_resnet28_2,
    "wide_resnet28_8": wide_resnet.wide_resnet28_8,
    "wide_resnet28_10": wide_resnet.wide_resnet28_10,
    "mobilenetv2": mobilenet.mobilenetv2,
    "efficientnet_b0": efficientnet.efficientnet_b0,
    "deit_tiny": vit.deit_tiny,
    "deit_small": vit.deit_small,
    "deit_base": vit.deit_base,
    "swin_tiny": swin.swin_tiny,
    "convnext_tiny": convnext.convnext_tiny,
    "mlp": mlp.MLP,
    "patch_mlp": patch_mlp.PatchMLP,
    "temporal_cnn": temporal_cnn.TemporalCNN,
    "text_cnn": text_cnn.TextCNN,
    "text_transformer": text_transformer.TextTransformer,
    "gcn": gcn.GCN,
}


def create(
    name: str,
    *,
    num_classes: int,
    axis_name: str | None = None,
    **options: Any,
) -> nn.Module:
  """The network of that name.

  Args:
    name: A key of `MODELS`.
    num_classes: Size of its head.
    axis_name: Axis over which batch statistics are averaged. Any network may
      be given one; those without batch statistics have nothing to average.
    **options: Other attributes, such as `dtype`, `drop_path` or `stem`.

  Returns:
    The module, without parameters.

  Raises:
    ValueError: For an unknown name or option.
  """
  known = options_of(name)
  if "axis_name" in _parameters(name):
    options["axis_name"] = axis_name
  for option in options:
    if option not in known and option != "axis_name":
      raise ValueError(
          f"model {name!r} has no {option!r}; {names.suggest(option, known)}"
      )
  return MODELS[name](num_classes=num_classes, **options)


def options_of(name: str) -> dict[str, Any]:
  """The options of a network with their defaults, such as `dtype`.

  Args:
    name: A key of `MODELS`.

  Returns:
    Defaults by option.

  Raises:
    ValueError: For an unknown name.
  """
  given = ("parent", "name", "num_classes", "axis_name")
  return {
      p.name: p.default for p in _parameters(name).values()
      if p.name not in given
  }


def _parameters(name):
  return inspect.signature(names.lookup("model", name, MODELS)).parameters

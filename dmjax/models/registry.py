"""The networks, by name."""

import inspect
from typing import Any

import flax.linen as nn

from dmjax import names
from dmjax.models import convnext
from dmjax.models import mobilenet
from dmjax.models import resnet
from dmjax.models import swin
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
    "wide_resnet28_2": wide_resnet.wide_resnet28_2,
    "wide_resnet28_8": wide_resnet.wide_resnet28_8,
    "wide_resnet28_10": wide_resnet.wide_resnet28_10,
    "mobilenetv2": mobilenet.mobilenetv2,
    "deit_tiny": vit.deit_tiny,
    "deit_small": vit.deit_small,
    "deit_base": vit.deit_base,
    "swin_tiny": swin.swin_tiny,
    "convnext_tiny": convnext.convnext_tiny,
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
  build = names.lookup("model", name, MODELS)
  known = set(inspect.signature(build).parameters) - {"parent", "name"}
  if "axis_name" in known:
    options["axis_name"] = axis_name
  for option in options:
    if option not in known:
      raise ValueError(
          f"model {name!r} has no {option!r}; {names.suggest(option, known)}"
      )
  return build(num_classes=num_classes, **options)

"""Networks in Flax Linen, created by name.

Every network is called as `model(x, train=..., hook=None, features=None)`:
`hook(stage, x)` sees and may replace the input (stage 0) and the output of
every stage, and `features` names a stage whose map is returned beside the
logits. The classifier is called `head` in every one.
"""

import difflib
from typing import Any

import flax.linen as nn

from dmjax.models import resnet

MODELS = {
    "resnet8": resnet.resnet8,
    "resnet18": resnet.resnet18,
    "resnet34": resnet.resnet34,
    "resnet50": resnet.resnet50,
    "resnet101": resnet.resnet101,
    "resnext50_32x4d": resnet.resnext50_32x4d,
    "resnext101_32x4d": resnet.resnext101_32x4d,
}


def create(name: str, *, num_classes: int, **options: Any) -> nn.Module:
  """The network of that name.

  Args:
    name: A key of `MODELS`.
    num_classes: Size of its head.
    **options: Other attributes, such as `dtype`, `axis_name` or `stem`.

  Returns:
    The module, without parameters.

  Raises:
    ValueError: For an unknown name or option.
  """
  if name not in MODELS:
    near = difflib.get_close_matches(name, MODELS, 3) or sorted(MODELS)
    raise ValueError(f"unknown model {name!r}; did you mean {', '.join(near)}?")
  try:
    return MODELS[name](num_classes=num_classes, **options)
  except TypeError as error:
    raise ValueError(f"model {name!r}: {error}") from None


__all__ = ("MODELS", "create")

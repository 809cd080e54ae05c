"""What sections of a configuration can name, and the options of each."""

from collections.abc import Mapping
import inspect
from typing import Any

from dmjax import losses
from dmjax import methods
from dmjax import mixers
from dmjax import models
from dmjax import names
from dmjax.train import optimizer


def options_of(section: str, name: str) -> dict[str, Any]:
  """The options of a named model, mixer, loss, method, wrapper or optimizer.

  Args:
    section: `model`, `mix`, `loss`, `method`, `wrap` or `optimizer`.
    name: What the section names.

  Returns:
    Defaults by option; None for one without a default.

  Raises:
    ValueError: For an unknown name.
  """
  return _OPTIONS[section](name)


def named(section: str) -> Mapping[str, Any]:
  """What a section can name: functions by name.

  Args:
    section: `model`, `mix`, `loss`, `method`, `wrap` or `optimizer`.

  Returns:
    The table.
  """
  return _TABLES[section]


def _mix_options(name):
  options = _keywords(names.lookup("mixer", name, named("mix")))
  if name in mixers.LEARNED:
    options["workdir"] = ""
  given = {
      "saliency", "cam", "features", "attention", "attentions", "progress",
      "stage", "block",
  }
  return {k: v for k, v in options.items() if k not in given}


def _loss_options(name):
  return _keywords(names.lookup("loss", name, losses.LOSSES))


# What a run itself gives to a method.
_GIVEN = (
    "axis_name", "batch_size", "guidance", "mixing", "num_classes",
    "num_unlabelled", "per_class", "total_steps",
)


def _method_options(name):
  options = _keywords(names.lookup("method", name, methods.METHODS))
  own = _keywords(getattr(methods, name, methods.METHODS[name]))
  return {k: v for k, v in (own | options).items() if k not in _GIVEN}


def _wrap_options(name):
  options = _keywords(names.lookup("wrapper", name, methods.WRAPPERS))
  return {k: v for k, v in options.items() if k not in _GIVEN}


def _keywords(function):
  parameters = inspect.signature(function).parameters.values()
  return {
      p.name: None if p.default is p.empty else p.default
      for p in parameters if p.kind is p.KEYWORD_ONLY
  }


_TABLES = {
    "loss": losses.LOSSES,
    "method": {k: getattr(methods, k, v) for k, v in methods.METHODS.items()},
    "mix": mixers.MIXERS | mixers.COMBINATORS | mixers.LEARNED,
    "model": models.MODELS,
    "optimizer": optimizer.OPTIMIZERS,
    "wrap": methods.WRAPPERS,
}
_OPTIONS = {
    "loss": _loss_options,
    "method": _method_options,
    "mix": _mix_options,
    "model": models.options_of,
    "optimizer": optimizer.options_of,
    "wrap": _wrap_options,
}
SECTIONS = tuple(_OPTIONS)

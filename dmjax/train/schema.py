"""The shape of a configuration: every key, of its type, and no other."""

import math
from typing import Any

import ml_collections

from dmjax import config as config_lib
from dmjax import names
from dmjax.train import options

# Sections whose options are those of the function they name, and keys that they
# have in any case.
_NAMED = {
    "evaluate.mix": ("name",),
    "loss": ("name",),
    "method": ("name",),
    "mix": ("name",),
    "model": ("name", "dtype"),
    "optimizer": ("name", "lr", "weight_decay", "decay_all", "clip_norm"),
    "wrap": ("name",),
}


def check(config: Any) -> None:
  """Raises ValueError unless every key is there, and of its type, and no other.

  Args:
    config: The configuration.
  """
  _check_section_like(config, config_lib.default(), "")


def _check_section_like(config, default, prefix):
  for key in config:
    if key not in default:
      near = names.suggest(prefix + key, [prefix + known for known in default])
      raise ValueError(f"there is no key {prefix + key!r}; {near}")
  for key, value in default.items():
    name = prefix + key
    if key not in config:
      raise ValueError(
          f"the configuration lacks {name!r}; start from"
          " dmjax.config.default(), which has every key"
      )
    if hasattr(value, "items"):
      _check_section(name, config[key])
    if name in _NAMED:
      _check_named(name, config[key])
    elif hasattr(value, "items") and name != "published.top1":
      _check_section_like(config[key], value, f"{name}.")
    else:
      _check_type(name, config[key], value)


def _check_section(name, value):
  if not hasattr(value, "items"):
    raise ValueError(f"{name} must be a section of keys, got {value!r}")


def _check_named(name, section):
  """A section that names a function: its options have the types of defaults."""
  for key in _NAMED[name]:
    if key not in section:
      raise ValueError(f"the configuration lacks {f'{name}.{key}'!r}")
  _check_type(f"{name}.name", section.name, "")
  kind = name.rpartition(".")[2]
  for option, default in options.options_of(kind, section.name).items():
    # A number may stand for a tuple of one, as in `blocks` of PuzzleMix.
    one = isinstance(default, tuple) and is_number(section.get(option))
    known = isinstance(default, (bool, float, int, str, tuple))
    if option in section and hasattr(default, "items"):
      _check_section(f"{name}.{option}", section[option])
    if option in section and known and not one:
      _check_type(f"{name}.{option}", section[option], default)


def _check_type(name, value, default):
  if not _is_like(value, default):
    raise ValueError(
        f"{name} must be {_kind(default)}, as {default!r}, got {value!r}"
    )


def _is_like(value, default):
  if isinstance(default, bool) or isinstance(value, bool):
    return isinstance(value, bool) and isinstance(default, bool)
  kinds = {float: (float, int), tuple: (tuple, list)}
  like = isinstance(value, kinds.get(type(default), type(default)))
  if like and isinstance(default, tuple) and default:
    return all(_is_like(each, default[0]) for each in value)
  return like


def _kind(value):
  kinds = {
      bool: "true or false", float: "a number", int: "a whole number",
      str: "text", tuple: "a tuple", ml_collections.ConfigDict: "a section",
  }
  return kinds[type(value)]


def is_number(value: Any) -> bool:
  """Whether a value is a finite number, and not true or false."""
  number = isinstance(value, (int, float)) and not isinstance(value, bool)
  return number and math.isfinite(value)

"""`--config.key=value`: changes to a configuration on the command line."""

import ast
from collections.abc import Iterable, Sequence
from typing import Any

from absl import flags
from ml_collections import config_flags

from dmjax import names
from dmjax.train import options

_PREFIX = "--config."


def apply(config: Any, arguments: Sequence[str]) -> tuple[Any, list[str]]:
  """Applies the arguments to a configuration.

  Where `model.name`, `mix.name`, `loss.name` or `optimizer.name` changes, the
  options that the new one does not have go. Every option that the named one has
  can be set, whether the configuration lists it or not.

  Args:
    config: The configuration; changed in place.
    arguments: As `--config.optimizer.lr=0.05`.

  Returns:
    The configuration, and a line for each option that went.

  Raises:
    ValueError: For another argument, a key that is not there, and a value of
      another type.
  """
  changes = [_split(argument) for argument in arguments]
  dropped = []
  for key, value in changes:
    section, _, option = key.partition(".")
    if _has_options(config, section) and option == "name":
      dropped += _rename(config, section, value)
      config.published = {**config.get("published", {}), "top1": {}}
  for key, _ in changes:
    _admit(config, key)
  return _parse(config, arguments), dropped


def _has_options(config, section):
  return section in options.SECTIONS and hasattr(config.get(section), "items")


def _split(argument):
  name, equals, value = argument.partition("=")
  if not name.startswith(_PREFIX) or not equals:
    raise ValueError(
        f"unknown argument {argument!r}; keys of the configuration are set as"
        " --config.optimizer.lr=0.05, for the rest see --help"
    )
  return name.removeprefix(_PREFIX), value


def _rename(config, section, name):
  """Names another one, and takes away the options that it does not have."""
  known = options.options_of(section, name)
  gone = [k for k in config[section] if k != "name" and k not in known]
  for option in gone:
    del config[section][option]
  config[section].name = name
  return [f"{section}.{option}: {name} has no such option" for option in gone]


def _admit(config, key):
  """Lists an option that the named function has, and the section does not."""
  section, _, option = key.partition(".")
  option = option.partition(".")[0]  # It may be a section, as `threshold`.
  if _has_options(config, section) and option and option not in config[section]:
    known = options.options_of(section, config[section].name)
    if option in known:
      config[section][option] = known[option]
  keys = list(_flat_keys(config))
  if key not in keys:
    raise ValueError(
        f"the configuration has no key {key!r}; {names.suggest(key, keys)}"
    )


def _parse(config, arguments):
  # What has no type yet takes that of the value.
  for key, value in map(_split, arguments):
    before = _get(config, key)
    if before is None:
      _set(config, key, _literal(value))
    elif _needs_tuple(key, before) and not value.strip().startswith(("(", "[")):
      raise ValueError(
          f"{key} must be a tuple, as '(0.5,)' or '()', got {value!r}"
      )
  values = flags.FlagValues()
  argv = ["dmjax", *arguments]
  config_flags.DEFINE_config_dict(
      "config", config, flag_values=values, sys_argv=argv
  )
  try:
    values(argv)
  except (flags.Error, TypeError) as error:
    raise ValueError(str(error).removeprefix("flag ")) from None
  return values["config"].value


def _needs_tuple(key, value):
  # Mixers take a number for a tuple of one.
  return isinstance(value, tuple) and not key.startswith("mix.")


def _get(config, key):
  for part in key.split("."):
    config = config[part]
  return config


def _set(config, key, value):
  *sections, last = key.split(".")
  for part in sections:
    config = config[part]
  config[last] = value


def _literal(text):
  try:
    return ast.literal_eval(text)
  except (SyntaxError, ValueError):
    return text


def _flat_keys(tree, prefix="") -> Iterable[str]:
  for key, value in tree.items():
    if hasattr(value, "items"):
      yield from _flat_keys(value, f"{prefix}{key}.")
    else:
      yield prefix + key

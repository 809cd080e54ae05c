"""dmjax list: what a configuration can name, with options."""

import inspect

from dmjax.commands import arguments
from dmjax.commands import exits

_SECTIONS = {
    "mixers": "mix", "losses": "loss", "models": "model", "methods": "method",
    "optimizers": "optimizer", "wrappers": "wrap",
}


def add(commands) -> None:
  """Describes the command."""
  parser = arguments.add_command(
      commands, run, "list",
      "List what a configuration can name, with options and defaults.",
  )
  parser.add_argument("what", choices=(*_SECTIONS, "recipes"))


def run(args, rest) -> int:
  """Lists; returns the exit code."""
  # pylint: disable=g-import-not-at-top
  from dmjax import recipes
  from dmjax.train import options

  arguments.no_more(rest)
  if args.what == "recipes":
    print(recipes.table(recipes.rows()))
    return exits.OK
  section = _SECTIONS[args.what]
  for name, function in options.named(section).items():
    known = options.options_of(section, name)
    said = ", ".join(f"{key}={_value(v)}" for key, v in known.items())
    print(f"{name}: {_summary(function)}\n    {said or 'no options'}")
  return exits.OK


def _summary(function):
  function = getattr(function, "func", function)
  return (inspect.getdoc(function) or "").split("\n")[0].rstrip(".")


def _value(value):
  if isinstance(value, type) or hasattr(value, "dtype"):
    return getattr(value, "__name__", str(value))
  return repr(value)

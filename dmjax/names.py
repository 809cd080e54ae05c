"""Looking things up by the name a configuration gives them."""

from collections.abc import Callable, Iterable, Mapping
import difflib
import functools
import inspect
from typing import Any


def lookup(kind: str, name: str, table: Mapping[str, Any]) -> Any:
  """`table[name]`, or a ValueError that names the nearest valid names."""
  if name in table:
    return table[name]
  raise ValueError(f"unknown {kind} {name!r}; {suggest(name, table)}")


def suggest(name: str, valid: Iterable[str]) -> str:
  """'did you mean a, b?', or all valid names where none is near."""
  valid = sorted(set(valid))
  near = difflib.get_close_matches(name, valid, 3, cutoff=0.5)
  if near:
    return f"did you mean {' or '.join(map(repr, near))}?"
  return f"valid names: {', '.join(valid)}"


def few(found: Iterable[str], count: int = 5) -> str:
  """The first few names, and how many more there are; `none` for none."""
  found = list(found)
  more = len(found) - count
  shown = ", ".join(found[:count]) or "none"
  return f"{shown} and {more} more" if more > 0 else shown


def configure(
    kind: str,
    table: Mapping[str, Callable[..., Any]],
    spec: Mapping[str, Any],
) -> Callable[..., Any]:
  """`partial(table[name], **options)` for a spec `{"name": ..., **options}`.

  Args:
    kind: What is looked up, for error messages.
    table: Functions by name; their options are keyword-only.
    spec: The name and the options.

  Returns:
    The configured function.

  Raises:
    ValueError: For an unknown name, or an option the function does not have.
  """
  options = dict(spec)
  function = lookup(kind, options.pop("name"), table)
  parameters = inspect.signature(function).parameters.values()
  known = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
  for option in options:
    if option not in known:
      raise ValueError(
          f"{kind} {spec['name']!r} has no option {option!r};"
          f" {suggest(option, known)}"
      )
  return functools.partial(function, **options)

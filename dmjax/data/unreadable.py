"""Examples that cannot be read: refused by name, or counted and left out."""

from collections.abc import Sequence
import logging

from dmjax.data import base

# Names in a warning.
_NAMED = 3


class Unreadable(ValueError):
  """An example that cannot be read; the message names it and says why."""


def refusal(reasons: Sequence[str]) -> ValueError:
  """The error that names all of them.

  Args:
    reasons: Messages of `Unreadable`.

  Returns:
    The error.
  """
  lines = "".join(f"\n  {reason}" for reason in reasons)
  return ValueError(
      f"{len(reasons)} of the examples cannot be read:{lines}\nmend or remove"
      " them, or go on without them: --config.data.skip_bad=true"
  )


def sort_out(
    found: Sequence[base.Arrays | str], skip_bad: bool
) -> list[base.Arrays]:
  """What was read of a whole split, without what could not be.

  Args:
    found: Examples, and in place of those that cannot be read the reason.
    skip_bad: Leave them out, with one warning.

  Returns:
    The examples.

  Raises:
    ValueError: For those that cannot be read, all of them, or where no example
      is left.
  """
  bad = [each for each in found if isinstance(each, str)]
  if bad and (not skip_bad or len(bad) == len(found)):
    raise refusal(bad)
  if bad:
    _warn(f"{len(bad)} of {len(found)} examples, left them out", bad)
  return [each for each in found if not isinstance(each, str)]


def strict(source: base.Source) -> base.Source:
  """The source, whose unreadable examples are refused when they are met."""

  def read(index):
    try:
      return source.read(index)
    except Unreadable as error:
      raise refusal([str(error)]) from None

  return source._replace(read=read)


def stepping_over(source: base.Source, quiet: bool = False) -> base.Source:
  """The source, the next readable example in place of one that cannot be read.

  The same stands in every time, so training resumes exactly. A warning counts
  them at the first, the tenth, the hundredth that this process meets.

  Args:
    source: The source.
    quiet: Warn of nothing.

  Returns:
    A source of the same size. Reading raises ValueError where nothing is left.
  """
  bad, said = {}, {0}  # What is known to be bad is not opened again.

  def read(index):
    example = _next_readable(source, int(index), bad)
    digits = len(str(len(bad))) if bad else 0
    if not quiet and digits not in said:
      said.add(digits)
      _warn(f"{len(bad)} of the examples met so far, read the next instead",
            list(bad.values()))
    return example

  return source._replace(read=read)


def _next_readable(source, index, bad):
  for step in range(source.size):
    place = (index + step) % source.size
    if place in bad:
      continue
    try:
      return source.read(place)
    except Unreadable as error:
      bad[place] = str(error)
  raise refusal(list(bad.values()))


def _warn(what, bad):
  more = ", ..." if len(bad) > _NAMED else ""
  logging.warning("cannot read %s: %s%s", what, "; ".join(bad[:_NAMED]), more)

"""What mixers need beside the images: declared, never guessed."""

from collections.abc import Callable, Iterable
import functools
from typing import Any, NamedTuple

from dmjax.mixers import _combinators
from dmjax.mixers import _several


class Guidance(NamedTuple):
  """What a mixer needs to be given, by the names of its options.

  Attributes:
    before: Maps of the images before they are mixed, out of `saliency`, `cam`,
      `features` and `attention`.
    after: What the forward pass on the mixed images gives, out of `attention`
      and `progress`: the mixer is called again with it, and the weights change.
    hidden: Whether the mixer also mixes hidden layers, by the option `stage`.
  """

  before: frozenset[str] = frozenset()
  after: frozenset[str] = frozenset()
  hidden: bool = False


def needs(
    *before: str, after: Iterable[str] = (), hidden: bool = False
) -> Guidance:
  """What a mixer needs, as `needs("saliency")`; `needs()` for nothing.

  Args:
    *before: Names of maps of the images before they are mixed.
    after: Names of what the forward pass on the mixed images gives.
    hidden: Whether the mixer also mixes hidden layers.

  Returns:
    The guidance.

  Example:
    >>> mixers.needs("saliency").before
    frozenset({'saliency'})
  """
  return Guidance(frozenset(before), frozenset(after), hidden)


def union(parts: Iterable[Guidance]) -> Guidance:
  """What several mixers need together.

  Args:
    parts: What each of them needs.

  Returns:
    The guidance.

  Example:
    >>> parts = mixers.needs("saliency"), mixers.needs("features")
    >>> sorted(mixers.union(parts).before)
    ['features', 'saliency']
  """
  parts = tuple(parts)
  return Guidance(
      frozenset().union(*(part.before for part in parts)),
      frozenset().union(*(part.after for part in parts)),
      any(part.hidden for part in parts),
  )


def guidance_of(
    mixer: Callable[..., Any], table: dict[Callable[..., Any], Guidance]
) -> Guidance:
  """Looks a mixer up, through `functools.partial` and combinators.

  Args:
    mixer: The mixer.
    table: Guidance by mixer.

  Returns:
    What it needs, or for a combinator what its parts need together.

  Raises:
    ValueError: For a function of one's own, whose guidance has to be said.
  """
  keywords = {}
  while isinstance(mixer, functools.partial):
    keywords = mixer.keywords | keywords
    mixer = mixer.func
  if mixer is _combinators.choose:
    return union(guidance_of(part, table) for part in keywords["mixers"])
  if mixer in (_combinators.sometimes, _several.several):
    return guidance_of(keywords["mixer"], table)
  if mixer in table:
    return table[mixer]
  raise ValueError(
      f"mixer {getattr(mixer, '__qualname__', mixer)!r} is not in the table of"
      " mixers, so say what it needs: guidance=mixers.needs('saliency'), or"
      " guidance=mixers.needs() for nothing"
  )

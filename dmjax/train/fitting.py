"""Whether what was read fits what is expected, leaf by leaf."""

from collections.abc import Mapping
from typing import Any

import jax

from dmjax import names


def check(what: str, found: Any, like: Any) -> None:
  """Raises ValueError where two trees differ in leaves or in their shapes.

  Args:
    what: What was read, for the message.
    found: A tree of what has shapes, as it was read.
    like: A tree of arrays, as it should be. Containers may be of other types.
  """
  found, like = flat(found), flat(like)
  differences = [
      ("missing", sorted(set(like) - set(found))),
      ("unexpected", sorted(set(found) - set(like))),
      ("of another shape", [
          f"{k} {tuple(found[k].shape)}, expected {tuple(like[k].shape)}"
          for k in sorted(set(found) & set(like))
          if tuple(found[k].shape) != tuple(like[k].shape)
      ]),
  ]
  if any(leaves for _, leaves in differences):
    said = "; ".join(f"{kind}: {names.few(v)}" for kind, v in differences if v)
    raise ValueError(f"{what} does not fit this configuration; {said}")


def arranged(found: Any, like: Any) -> Any:
  """The leaves of a tree in the containers of another, which it fits."""
  leaves = flat(found)
  return jax.tree.unflatten(jax.tree.structure(like), [
      leaves[name] for name in flat(like)
  ])


def flat(tree: Any) -> Mapping[str, Any]:
  """Leaves by name, `params/head/bias`, whatever the containers are."""
  return {
      "/".join(str(_name(key)) for key in path): leaf
      for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]
  }


def _name(key):
  for attribute in ("key", "idx", "name"):
    if hasattr(key, attribute):
      return getattr(key, attribute)
  return key

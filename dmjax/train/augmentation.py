"""The views of a batch that a method wants, made on the device."""

from collections.abc import Callable, Mapping
from typing import Any

import jax

View = Callable[[jax.Array, jax.Array], jax.Array]


def views(
    key: jax.Array,
    batch: dict[str, Any],
    wanted: Mapping[str, Any],
    augments: Mapping[str, View],
) -> dict[str, Any]:
  """The batch with the views that a method wants in place of its images.

  Args:
    key: PRNG key.
    batch: With images `x`, or streams of such batches.
    wanted: Views by name, nested by the names of the streams.
    augments: How each view is made.

  Returns:
    The batch. Unlabelled streams have no labels.
  """
  if all(isinstance(view, str) for view in wanted.values()):
    return _views(key, batch, wanted, augments)
  keys = jax.random.split(key, len(wanted))
  batch = {
      name: _views(key, batch[name], wanted[name], augments)
      for name, key in zip(wanted, keys)
  }
  del batch["unlabelled"]["label"]
  return batch


def _views(key, batch, wanted, augments):
  batch = dict(batch)
  x = batch.pop("x")
  keys = jax.random.split(key, len(wanted)) if len(wanted) > 1 else [key]
  for key, (name, view) in zip(keys, wanted.items()):
    batch[name] = augments[view](key, x)
  return batch

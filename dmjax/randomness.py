"""Random keys: one root from the seed, folded with what the numbers are for."""

import zlib

import jax


def for_purpose(key: jax.Array, purpose: str) -> jax.Array:
  """The key of a named purpose; a key is either folded or split, never both."""
  return jax.random.fold_in(key, zlib.crc32(purpose.encode()))

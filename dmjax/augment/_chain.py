"""One augmentation after another."""

from collections.abc import Callable, Sequence

import jax


def chain(
    key: jax.Array,
    x: jax.Array,
    *,
    steps: Sequence[Callable[[jax.Array, jax.Array], jax.Array]],
) -> jax.Array:
  """Applies the steps in turn, each with a key of its own.

  Step i has the key `jax.random.fold_in(key, i)`. With no steps, x is returned.

  Args:
    key: PRNG key.
    x: Images `[B, H, W, C]`.
    steps: Functions `(key, x) -> x`; configure augmentations with
      `functools.partial`.

  Returns:
    What the last step returns.

  Example:
    >>> key = jax.random.key(0)
    >>> x = jax.random.uniform(key, (4, 8, 8, 3))
    >>> crop = functools.partial(augment.random_crop, padding=2)
    >>> steps = augment.random_flip, crop
    >>> print(augment.chain(key, x, steps=steps).shape)
    (4, 8, 8, 3)
  """
  for i, step in enumerate(steps):
    x = step(jax.random.fold_in(key, i), x)
  return x

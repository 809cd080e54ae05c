"""Colour jitter."""

import jax
import jax.numpy as jnp

from dmjax.augment import _blends
from dmjax.augment import _checks


def colour_jitter(
    key: jax.Array, x: jax.Array, *, strength: float
) -> jax.Array:
  """Changes brightness, contrast and saturation, in random order.

  Each of the three factors is uniform in [1 - strength, 1 + strength]; every
  image has its own factors and order.

  Args:
    key: PRNG key.
    x: Images `[B, H, W, C]` in [0, 1], C = 1 or 3.
    strength: In [0, 1].

  Returns:
    `[B, H, W, C]` in [0, 1], dtype of x.

  Raises:
    ValueError: For a strength outside [0, 1] and other channels.

  Example:
    >>> key = jax.random.key(0)
    >>> x = jax.random.uniform(key, (4, 8, 8, 3))
    >>> print(augment.colour_jitter(key, x, strength=0.4).shape)
    (4, 8, 8, 3)
  """
  _checks.check_colours(x)
  _checks.check_number("strength", strength, 1)

  def jitter(key, image):
    order_key, factor_key = jax.random.split(key)
    factors = jax.random.uniform(
        factor_key, (3,), minval=1 - strength, maxval=1 + strength
    )
    for change in jax.random.permutation(order_key, 3):
      image = _blends.enhance(image, change, factors[change], count=3)
    return image

  keys = jax.random.split(key, x.shape[0])
  return jax.vmap(jitter)(keys, x.astype(jnp.float32)).astype(x.dtype)

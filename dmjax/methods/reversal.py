"""Gradient reversal: what a head learns from, the features unlearn."""

import jax
import jax.numpy as jnp


@jax.custom_vjp
def reverse(x: jax.Array, strength: jax.typing.ArrayLike) -> jax.Array:
  """The identity, whose gradient is `-strength` times that of what follows.

  A head behind it is trained as it is anywhere; what lies before is trained
  to make the head fail (DANN, arXiv 1505.07818, section 4.2).

  Args:
    x: Any array of floats.
    strength: A scalar, which has no gradient.

  Returns:
    x.
  """
  del strength
  return x


def _forward(x, strength):
  return x, strength


def _backward(strength, gradient):
  scale = jnp.asarray(strength, gradient.dtype)
  return -scale * gradient, jnp.zeros_like(jnp.asarray(strength))


reverse.defvjp(_forward, _backward)

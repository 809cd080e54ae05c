"""A projector: from a map of features to the space of contrastive losses."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from dmjax.models import network


class Projector(nn.Module):
  """A linear layer behind the global mean, both in float32.

  Attributes:
    dim: D, of the projection.
  """

  dim: int = 1024

  @nn.compact
  def __call__(self, features: jax.Array, *, train: bool = False) -> jax.Array:
    """Maps `[B, h, w, C]` to `float32[B, D]`, not normalised."""
    del train
    pooled = jnp.mean(features.astype(jnp.float32), axis=(1, 2))
    return nn.Dense(self.dim, name="projection")(pooled)


def of_projector(dim: int = 1024) -> network.Network:
  """A `Projector` as three pure functions, of maps `[B, h, w, C]`.

  Args:
    dim: D, of the projection.

  Returns:
    The network.

  Raises:
    ValueError: For a dimension below 1.
  """
  if dim < 1:
    raise ValueError(f"dim must be >= 1, got {dim}")
  return network.of_linen(Projector(dim))

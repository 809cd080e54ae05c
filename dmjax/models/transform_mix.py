"""TransformMix: two networks that move a pair of images, and mask them.

The paper (arXiv 2403.12429) has a spatial transformer that predicts a transform
of each input and a network that predicts masks. Their sizes, what they are
given, and lambda as an input are reconstructed: its text was not at hand.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from dmjax import mixers

# Lambda stays so far from 0 and 1, where its logarithm ends.
_EDGE = 1e-4
# Cells of the map that a transform is predicted from, along each axis.
_CELLS = 4


class Warp(nn.Module):
  """A spatial transformer (arXiv 1506.02025), affine and at first the identity.

      theta = (I, 0) + reach tanh(net(x))

  Attributes:
    width: Channels of its convolutions.
    reach: How far each of the six numbers may go: below 1 no image is flipped.
    dtype: Of the convolutions.
  """

  width: int = 16
  reach: float = 0.5
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps `[B, H, W, D]` to `float32[B, 2, 3]`."""
    for _ in range(2):
      x = nn.Conv(self.width, (3, 3), (2, 2), dtype=self.dtype)(x)
      x = nn.relu(x)
    shape = (x.shape[0], _CELLS, _CELLS, x.shape[3])
    x = jax.image.resize(x, shape, "linear").reshape(x.shape[0], -1)
    # Zeros in the last layer alone, which learns from the first step on.
    raw = nn.Dense(6, kernel_init=nn.initializers.zeros, name="theta")(
        x.astype(jnp.float32)
    )
    theta = jnp.tanh(raw).reshape(-1, 2, 3) * self.reach
    return theta + jnp.eye(2, 3)[None]


class Score(nn.Module):
  """How much of an image is to be seen, pixel by pixel; at first 0 everywhere.

  Attributes:
    width: Channels of its convolutions.
    dtype: Of the convolutions.
  """

  width: int = 16
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps `[B, H, W, D]` to `float32[B, H, W]`."""
    conv = lambda *rest: nn.Conv(self.width, (3, 3), *rest, dtype=self.dtype)
    fine = nn.relu(conv()(x))
    coarse = nn.relu(conv((2, 2))(fine))
    coarse = nn.relu(conv()(coarse))
    coarse = jax.image.resize(coarse, fine.shape, "linear")
    x = jnp.concatenate([fine, coarse], axis=3).astype(jnp.float32)
    zeros = nn.initializers.zeros
    return nn.Dense(1, kernel_init=zeros, name="score")(x)[..., 0]


class TransformMix(nn.Module):
  """The mixing module: warps of both images of a pair, and their mask.

      M = softmax over the two of ( score + log(share asked for) )

  Both networks see a pair from either side, its image first: swapped images and
  1 - lambda give swapped masks. At the initialisation nothing is moved and the
  mask is lambda everywhere: plain mixup.

  Attributes:
    width: Channels of the two networks.
    dtype: Of their convolutions.
  """

  width: int = 16
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(
      self,
      x: jax.Array,
      saliency: jax.Array,
      partner: jax.Array,
      lam: jax.typing.ArrayLike,
      *,
      train: bool = False,
  ) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The warped pairs of a batch, and their masks.

    Args:
      x: Images `[B, H, W, C]`, in [0, 1].
      saliency: Of them, `[B, H, W]`, in [0, 1].
      partner: `int[B]`, the row each row is mixed with.
      lam: Share asked for the row itself, a scalar or `[B]`.
      train: Not looked at.

    Returns:
      The rows and their partners as they are warped, `[B, H, W, C]`, and the
      mask `float32[B, H, W]`, the share of the row itself.
    """
    del train
    lam = jnp.broadcast_to(jnp.asarray(lam, jnp.float32), x.shape[:1])
    both = jnp.concatenate([x, saliency[..., None].astype(x.dtype)], axis=3)
    both = jnp.concatenate([both, both[partner]])
    shares = jnp.concatenate([lam, 1 - lam])
    theta = Warp(self.width, dtype=self.dtype, name="warp")(_pairs(both, shares))
    warped = mixers.affine_sample(both, theta)
    score = Score(self.width, dtype=self.dtype, name="mask")
    scores = score(_pairs(warped, shares))
    scores += jnp.log(jnp.clip(shares, _EDGE, 1 - _EDGE))[:, None, None]
    own, other = jnp.split(warped[..., :-1], 2)
    return own, other, nn.softmax(jnp.stack(jnp.split(scores, 2)), axis=0)[0]


def _pairs(both, shares):
  """Each image of a pair, then the other one, then a channel of its share."""
  first, second = jnp.split(both, 2)
  other = jnp.concatenate([second, first])
  share = jnp.broadcast_to(shares[:, None, None, None], (*both.shape[:3], 1))
  return jnp.concatenate([both, other, share.astype(both.dtype)], axis=3)

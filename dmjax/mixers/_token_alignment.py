"""TL-Align: labels that follow their tokens through a vision transformer."""

import jax
import jax.numpy as jnp

from dmjax.mixers import _boxes
from dmjax.mixers import _core
from dmjax.mixers import _token_grid


def tlalign(
    key: jax.Array,
    x: jax.Array,
    *,
    attentions: jax.typing.ArrayLike | None = None,
    alpha: float = 1.0,
    lam: jax.typing.ArrayLike | None = None,
    partner: str | jax.typing.ArrayLike = "permutation",
    per_batch: bool = False,
) -> _core.Mixed:
  """CutMix with token labels aligned layer by layer (arXiv 2210.06455).

      Y_0 = shares of the sources in each token, and in all for the class token
      Y_l = (Y_{l-1} + A_l Y_{l-1}) / 2;   weights = Y_L of the class token

  with A_l the attention of block l on the *mixed* image, averaged over heads.
  Each row of A_l sums to 1, so those of Y_l do as well. MLPs act on tokens one
  by one and leave their labels as they are. Without attention this is `cutmix`;
  as with `transmix`, call it again with the same key and the attention, and it
  returns the same images with the weights of their labels. No gradient flows
  through the attention.

  This is a reconstruction: that the class token starts with the share of all
  pixels, and that the identity beside an attention counts one half, is our
  reading of the paper. OpenMixup's `tla` aligns nothing.

  Args:
    key: PRNG key.
    x: Images `[B, H, W, C]`, floating.
    attentions: `[B, L, 1 + T, 1 + T]`, not negative: in each of L blocks, from
      each token to all others, the class token first, averaged over heads, for
      the mixed images.
    alpha: lambda ~ Beta(alpha, alpha).
    lam: Fixes lambda instead, a scalar or `[B]`.
    partner: `permutation`, `roll`, `flip` or `int[B]`.
    per_batch: One lambda and one box for the whole batch.

  Returns:
    The mixed batch. Its mask is that of the pixels, so with attention its mean
    is not the weight.

  Raises:
    ValueError: For attention whose T is not a grid over the image.

  Example:
    >>> key = jax.random.key(0)
    >>> x = jax.random.uniform(key, (4, 8, 8, 3))
    >>> mixed = mixers.tlalign(key, x)    # what the model is given
    >>> attentions = jnp.full((4, 3, 17, 17), 1 / 17)  # of the model, for it
    >>> weights = mixers.tlalign(key, x, attentions=attentions).weights
    >>> print(mixed.x.shape, weights.shape)
    (4, 8, 8, 3) (4, 2)
  """
  _core.check_images(x)
  grid = None if attentions is None else _grid_of(x, jnp.asarray(attentions))
  mixed = _boxes.cutmix(
      key, x, alpha=alpha, lam=lam, partner=partner, per_batch=per_batch
  )
  if attentions is None or grid is None or mixed.mask is None:
    return mixed
  attentions = jax.lax.stop_gradient(jnp.asarray(attentions, jnp.float32))
  # Both sources on their way: exactly 1 where the other is nowhere.
  own, mask = jax.vmap(_token_grid.cell_shares, (-1, None), -1), mixed.mask
  shares = own(jnp.concatenate([mask, 1 - mask], axis=-1), grid)
  shares = shares.reshape(x.shape[0], -1, 2)
  final = jax.vmap(_align)(shares, mixed.weights, attentions)
  weight = _token_grid.share(final[:, 0], final[:, 1], mixed.weights[:, 0])
  return mixed._replace(weights=_core.pair_weights(weight))


def _grid_of(x, attentions):
  """Rows and columns of the tokens; ValueError for what is no attention."""
  shape = attentions.shape
  if len(shape) != 4 or shape[2] != shape[3] or not shape[1] or shape[2] < 2:
    raise ValueError(
        "attentions must be [B, L, 1 + T, 1 + T], from each token to all others"
        f" in each block, the class token among them; got shape {shape}"
    )
  return _token_grid.grid_of(x, attentions[:, 0, 0, 1:])


def _align(patches, whole, attentions):
  """Shares `[2]` of the class token, from those of patches and of the image."""
  shares = jnp.concatenate([whole[None], patches])
  for attention in attentions:
    shares = (shares + jnp.matmul(attention, shares, precision="highest")) / 2
  return shares[0]

"""Mixers that weigh the labels by what a vision transformer attends to.

The attention they use is that of the mixed images, which only exists after the
forward pass. The rule for all mixers: **an option of guidance whose default is
None comes from the forward pass on the mixed images.** Such a mixer is called
twice with one key, first without the option to mix the images, then with it to
weigh the labels:

    mixed = transmix(key, x)
    logits, attention = model(mixed.x)
    mixed = transmix(key, x, attention=attention)   # same x, other weights

Inside one compiled step the second call mixes nothing: the compiler merges what
the two have in common and drops what is not used.
"""

import functools

import jax
import jax.numpy as jnp

from dmjax.mixers import _boxes
from dmjax.mixers import _core
from dmjax.mixers import _token_grid


def transmix(
    key: jax.Array,
    x: jax.Array,
    *,
    attention: jax.typing.ArrayLike | None = None,
    alpha: float = 1.0,
    lam: jax.typing.ArrayLike | None = None,
    partner: str | jax.typing.ArrayLike = "permutation",
    per_batch: bool = False,
) -> _core.Mixed:
  """CutMix with labels weighed by attention (arXiv 2111.09833).

      weight of i = (lam_area + lam_attn) / 2,   lam_attn = sum m A / sum A

  with A the attention of the *mixed* image and m its mask, resized to the
  tokens by the nearest neighbour. Without attention this is `cutmix`. An option
  of guidance whose default is None comes from the forward pass on the mixed
  images: call the mixer again with the same key and the attention, and it
  returns the same images with the weights of their labels.

  alpha 1 is that of the authors' configuration, who mix the rest of the batches
  with mixup at alpha 0.8 (`choose`). No gradient flows through the attention.
  The weights are those of each example; the OpenMixup code reduces the loss
  before it multiplies, so that only their mean over the batch has an effect.

  Args:
    key: PRNG key.
    x: Images `[B, H, W, C]`, floating.
    attention: `[B, T]`, not negative: attention of the class token of the last
      block to the T patches, averaged over heads, for the mixed images.
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
    >>> mixed = mixers.transmix(key, x)         # what the model is given
    >>> attention = jnp.ones((4, 16))           # of the model, for mixed.x
    >>> weights = mixers.transmix(key, x, attention=attention).weights
    >>> print(mixed.x.shape, weights.shape)
    (4, 8, 8, 3) (4, 2)
  """
  _check(x, attention)
  mixed = _boxes.cutmix(
      key, x, alpha=alpha, lam=lam, partner=partner, per_batch=per_batch
  )
  return mixed if attention is None else _reweight(mixed, attention, 0.5)


def mixpro(
    key: jax.Array,
    x: jax.Array,
    *,
    attention: jax.typing.ArrayLike | None = None,
    progress: jax.typing.ArrayLike | None = None,
    alpha: float = 1.0,
    lam: jax.typing.ArrayLike | None = None,
    partner: str | jax.typing.ArrayLike = "permutation",
    per_batch: bool = False,
    cells: int = 4,
) -> _core.Mixed:
  """A random grid mask and progressive attention labels (arXiv 2304.12043).

      n = ceil(lam cells^2) random cells of i are kept,   lam_area = n / cells^2
      weight of i = a lam_attn + (1 - a) lam_area,   lam_attn = sum m A / sum A

  with A the attention of the mixed image and a, the `progress`, how much the
  prediction already agrees with the mixed label. Both options have the default
  None, so they come from the forward pass on the mixed images; see `transmix`
  for the two calls. Without attention the weights are the area; attention
  without progress counts in full (a = 1).

  The authors' code takes for a the cosine of the mixed label, smoothed by 0.1,
  and the softmax; the rest as here. Its cells are a quarter of the image wide
  for DeiT-S. The OpenMixup code differs in two points: it takes attention from
  the raw images, and averages the weights over the batch. In both, lambda is
  one per batch and the cells are drawn per image; here `per_batch=True` shares
  lambda and the cells.

  Args:
    key: PRNG key.
    x: Images `[B, H, W, C]`, floating.
    attention: `[B, T]`, not negative: attention of the class token of the last
      block to the T patches, averaged over heads, for the mixed images.
    progress: The factor a, `[B]`, clipped to [0, 1].
    alpha: lambda ~ Beta(alpha, alpha).
    lam: Fixes lambda instead, a scalar or `[B]`.
    partner: `permutation`, `roll`, `flip` or `int[B]`.
    per_batch: One lambda and the same cells for the whole batch.
    cells: The mask is a grid of cells x cells.

  Returns:
    The mixed batch. Its mask is that of the pixels, so with attention its mean
    is not the weight.

  Raises:
    ValueError: For cells < 1 and for attention whose T is not a grid over the
      image.

  Example:
    >>> key = jax.random.key(0)
    >>> x = jax.random.uniform(key, (4, 8, 8, 3))
    >>> mixed = mixers.mixpro(key, x, cells=2)  # what the model is given
    >>> attention = jnp.ones((4, 16))           # of the model, for mixed.x
    >>> again = mixers.mixpro(key, x, cells=2, attention=attention)
    >>> print(mixed.x.shape, again.weights.shape)
    (4, 8, 8, 3) (4, 2)
  """
  _check(x, attention)
  if cells < 1:
    raise ValueError(f"cells must be >= 1, got {cells}")
  pairs = _core.draw(
      key, x, alpha=alpha, lam=lam, partner=partner, per_batch=per_batch
  )
  kept = jax.vmap(functools.partial(_random_cells, cells))(
      pairs.keys, pairs.lam
  )
  mask = _token_grid.resize(kept, x.shape[1:3])
  mixed = _core.mix_by_mask(x, pairs.partner, mask)
  if attention is None:
    return mixed
  return _reweight(mixed, attention, 1.0 if progress is None else progress)


def _check(x, attention):
  """Raises ValueError before anything is mixed."""
  _core.check_images(x)
  if attention is not None:
    _token_grid.grid_of(x, jnp.asarray(attention))


def _random_cells(cells, key, lam):
  """`ceil(lam cells^2)` random cells of a grid, `bool[cells, cells]`."""
  count = jnp.ceil(lam * cells**2)
  order = jax.random.permutation(key, cells**2)
  return (order < count).reshape(cells, cells)


def _reweight(mixed, attention, factor):
  """Weights that are by that factor the attention and for the rest the area."""
  area = mixed.weights[:, 0]
  attended = _token_grid.attended_share(mixed.mask, jnp.asarray(attention))
  factor = jnp.clip(jax.lax.stop_gradient(jnp.float32(factor)), 0.0, 1.0)
  weight = factor * attended + (1 - factor) * area
  return mixed._replace(weights=_core.pair_weights(weight))

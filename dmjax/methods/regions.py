"""The loss of SMMix: what each region of a mixed image shows."""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp

from dmjax import mixers


def region_terms(
    loss: Callable[..., jax.Array],
    head: Mapping[str, jax.Array],
    tokens: jax.Array,
    clean: jax.Array,
    logits: jax.Array,
    mixed: mixers.Mixed,
    labels: jax.Array,
) -> jax.Array:
  """What SMMix (arXiv 2212.12977) adds to the loss of a mixed image.

      1/2 (loss(h(t_i), y_i) + loss(h(t_j), y_j))
        + KL(softmax(w_i z_i + w_j z_j) || softmax(z))

  with t_i the mean token where the image shows i, t_j where it shows j, h the
  head, z_i and z_j the logits of the two images before they were mixed. The
  authors found a head of its own for the regions no better than the shared one.
  Rows that are blended rather than cut have no regions, and get 0.

  Args:
    loss: `loss(logits, labels, weights) -> [B]`, of one source.
    head: `kernel` and `bias` of h.
    tokens: `[B, h, w, D]`, what h sees, at each place.
    clean: `[B, C]`, logits of the images as they are; a constant.
    logits: `[B, C]`, z.
    mixed: The mixed batch, of two sources, with a mask.
    labels: `int[B, 2]`, of the two.

  Returns:
    `float32[B]`.

  Raises:
    ValueError: For a batch without a mask, and more than two sources.
  """
  if mixed.mask is None or mixed.sources.shape[1] != 2:
    raise ValueError(
        "regions=True needs a mixer of two images that pastes, such as 'smmix'"
    )
  shown = _shares(mixed.mask, tokens.shape[1:3])
  ones = jnp.ones((labels.shape[0], 1))

  def of_region(share, label):
    pooled = jnp.einsum("bhwd,bhw->bd", tokens.astype(jnp.float32), share)
    pooled /= jnp.maximum(jnp.sum(share, axis=(1, 2)), 1e-6)[:, None]
    region = pooled @ head["kernel"] + head["bias"][None]
    return loss(region, label[:, None], ones)

  own, other = of_region(shown, labels[:, 0]), of_region(1 - shown, labels[:, 1])
  before = jax.lax.stop_gradient(clean)[mixed.sources]
  before = jnp.einsum("bkc,bk->bc", before, mixed.weights)
  terms = (own + other) / 2 + _divergence(before, logits)
  cut = jnp.all((mixed.mask == 0) | (mixed.mask == 1), axis=(1, 2, 3))
  return jnp.where(cut, terms, 0.0)


def _shares(mask, grid):
  """The share of source 0 in each token, `[B, h, w]`."""
  batch, height, width, _ = mask.shape
  rows, columns = grid
  cells = mask.reshape(batch, rows, height // rows, columns, width // columns)
  return jnp.mean(cells, axis=(2, 4))


def _divergence(before, logits):
  """KL of the prediction from that before, `[B]`."""
  p = jax.nn.log_softmax(before.astype(jnp.float32))
  q = jax.nn.log_softmax(logits.astype(jnp.float32))
  return jnp.sum(jnp.exp(p) * (p - q), axis=1)

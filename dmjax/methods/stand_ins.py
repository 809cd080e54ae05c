"""Guidance made of the images alone, for previews and trials."""

import jax
import jax.numpy as jnp

from dmjax import mixers


def training_free(
    needs: mixers.Guidance, images: jax.Array
) -> dict[str, jax.Array]:
  """Stand-ins for what a network would say of the images.

  Args:
    needs: What the mixer needs.
    images: `[B, H, W, C]`, floating in [0, 1].

  Returns:
    The maps that it needs before mixing: the spectral residual, and colours in
    place of features.
  """
  if not needs.before:
    return {}  # Nor need they be images.
  saliency = mixers.saliency.spectral_residual(images)
  height, width = (max(side // 4, 2) for side in images.shape[1:3])
  small = lambda x: jax.image.resize(
      x, (x.shape[0], height, width, x.shape[-1]), "linear"
  )
  maps = {
      "saliency": saliency + 1e-6,
      "cam": saliency,
      "features": small(images),
      "attention": small(saliency[..., None]).reshape(images.shape[0], -1),
  }
  maps["attentions"] = _everywhere_alike(maps["attention"])
  return {name: maps[name] for name in needs.before}


def _everywhere_alike(attention):
  """One block whose tokens all attend as `[B, T]` says, `[B, 1, 1 + T, 1 + T]`."""
  attention = attention + 1e-6
  attention /= jnp.sum(attention, axis=1, keepdims=True)
  tokens = jnp.pad(attention, ((0, 0), (1, 0)))
  return jnp.repeat(tokens[:, None, None], tokens.shape[1], axis=2)

"""A convolutional network of sentences (arXiv 1408.5882)."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from dmjax.models import layers
from dmjax.models import text_layers


class TextCNN(nn.Module):
  """Filters of several widths, the maximum of each over the text, a head.

  Every window with a token in it counts, also those that reach beyond the ends
  of the text: how much padding there is makes no difference. Stage 0 are the
  vectors of the tokens, stage 1 is the vector of the sentence.

  Attributes:
    num_classes: Size of the head.
    vocabulary: Number of tokens.
    width: Of the vector of a token; 300 in the paper.
    filters: Of each kernel; 100 in the paper.
    kernels: Widths of the filters, in tokens.
    dropout: Of the sentence, 0.5 in the paper.
    dtype: Of the computation; parameters and logits stay float32.
  """

  num_classes: int
  vocabulary: int = 2000
  width: int = 64
  filters: int = 64
  kernels: tuple[int, ...] = (3, 4, 5)
  dropout: float = 0.5
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(
      self,
      x: jax.Array,
      *,
      train: bool,
      hook: layers.Hook | None = None,
      features: str | None = None,
  ):
    """Tokens `int32[B, T]` to logits `float32[B, num_classes]`.

    Args:
      x: Tokens, 0 for padding.
      train: Use dropout.
      hook: `x = hook(stage, x)` of vectors `[B, T, D]` and their mask
        `[B, T, 1]` as stage 0, and of sentences `[B, D]` as stage 1.
      features: `stage1`, to return the sentences as well.

    Returns:
      The logits, or with `features` the logits and the sentences.

    Raises:
      ValueError: For anything but tokens, and a rate outside [0, 1).
    """
    layers.check_rate("dropout", self.dropout)
    hook = hook or layers.no_hook
    embed = text_layers.Embed(
        self.vocabulary, self.width, dtype=self.dtype, name="embed"
    )
    h, mask = embed(x, hook)
    found = [self._strongest(h, mask, kernel) for kernel in self.kernels]
    sentence = hook(1, jnp.concatenate(found, axis=-1))
    out = nn.Dropout(self.dropout, deterministic=not train)(sentence)
    logits = text_layers.head(out, self.num_classes)
    return layers.answer(logits, {"stage1": sentence}, features)

  def _strongest(self, h, mask, kernel):
    """The largest response of each filter, `[B, filters]`."""
    # On CPUs a product of windows is several times as fast as a convolution.
    dense = nn.Dense(
        self.filters, dtype=self.dtype, name=f"conv{kernel}",
        kernel_init=nn.initializers.he_normal(),
    )
    holds = jnp.max(_windows(mask, kernel), axis=-1, keepdims=True)
    # No response is below 0, so windows without a token never win.
    return jnp.max(nn.relu(dense(_windows(h, kernel))) * holds, axis=1)


def _windows(h, size):
  """`[B, T, D]` to `[B, T + size - 1, size D]`, with zeros beyond the ends."""
  count = h.shape[1] + size - 1
  h = jnp.pad(h, ((0, 0), (size - 1, size - 1), (0, 0)))
  return jnp.concatenate([h[:, i : i + count] for i in range(size)], axis=-1)

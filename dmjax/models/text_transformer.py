"""A small Transformer encoder of sentences (arXiv 1706.03762), pre-norm."""

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from dmjax.models import layers
from dmjax.models import text_layers


class Block(nn.Module):
  """Attention among the tokens, then an MLP, each behind a norm."""

  heads: int
  dropout: float
  dtype: Any

  @nn.compact
  def __call__(self, h, mask, train):
    norm = functools.partial(nn.LayerNorm, epsilon=1e-6, dtype=self.dtype)
    drop = nn.Dropout(self.dropout, deterministic=not train)
    attend = nn.MultiHeadDotProductAttention(
        self.heads, dtype=self.dtype, name="attn"
    )
    # Nobody looks at padding.
    seen = mask[:, None, None, :, 0] > 0
    h += drop(attend(norm(name="norm1")(h), mask=seen))
    return h + drop(layers.Mlp(self.dtype, name="mlp")(norm(name="norm2")(h)))


class TextTransformer(nn.Module):
  """Blocks of attention and MLP, the mean over the tokens, a head.

  Padding is neither looked at nor part of the mean, and places are sinusoids:
  how much padding there is makes no difference. Stage 0 are the vectors of the
  tokens, stage i is block i, and the last one, depth + 1, the sentence.

  Attributes:
    num_classes: Size of the head.
    vocabulary: Number of tokens.
    width: Of the vector of a token, a multiple of the heads.
    depth: Number of blocks.
    heads: Of attention.
    dropout: Of the tokens, what a block adds, and the sentence.
    dtype: Of the computation; parameters and logits stay float32.
  """

  num_classes: int
  vocabulary: int = 2000
  width: int = 64
  depth: int = 2
  heads: int = 4
  dropout: float = 0.1
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
        `[B, T, 1]` as stage 0 and after every block, and of sentences `[B, D]`
        at the end.
      features: A stage, as `stage1`, to return as well.

    Returns:
      The logits, or with `features` the logits and `[B, T, D]`, or `[B, D]`.

    Raises:
      ValueError: For anything but tokens, a rate outside [0, 1), and heads that
        do not divide the width.
    """
    self._check()
    hook = hook or layers.no_hook
    drop = nn.Dropout(self.dropout, deterministic=not train)
    embed = text_layers.Embed(
        self.vocabulary, self.width, True, self.dtype, name="embed"
    )
    (h, mask), maps = embed(x, hook), {}
    h = drop(h)
    for stage in range(1, self.depth + 1):
      name = f"block{stage - 1}"
      block = Block(self.heads, self.dropout, self.dtype, name=name)
      # What is made of padding must not be mixed into tokens.
      maps[f"stage{stage}"] = h = hook(stage, mask * block(h, mask, train))
      mask = text_layers.hooked(hook, stage, mask)
    h = nn.LayerNorm(epsilon=1e-6, dtype=self.dtype, name="norm")(h)
    last = self.depth + 1
    sentence = hook(last, text_layers.masked_mean(h, mask))
    maps[f"stage{last}"] = sentence
    logits = text_layers.head(drop(sentence), self.num_classes)
    return layers.answer(logits, maps, features)

  def _check(self):
    layers.check_rate("dropout", self.dropout)
    if self.heads < 1 or self.width % self.heads:
      raise ValueError(
          f"width={self.width} must be a multiple of heads={self.heads}"
      )

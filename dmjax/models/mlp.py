"""A multilayer perceptron, for tables."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from dmjax.models import layers


class MLP(nn.Module):
  """Dense layers with ReLU, behind each other.

  Weights are drawn as for ReLU (arXiv 1502.01852, over the inputs of a layer),
  those of the head as in the other networks; biases start at 0.

  Attributes:
    num_classes: Size of the head.
    widths: Of the hidden layers; `()` for a linear classifier.
    dropout: Probability that a hidden unit is dropped in training.
    dtype: Of the computation; parameters and logits stay float32.
  """

  num_classes: int
  widths: tuple[int, ...] = (128, 128)
  dropout: float = 0.0
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
    """Rows `[B, ...]`, flattened, to logits `float32[B, num_classes]`.

    Args:
      x: Standardised rows.
      train: Use dropout.
      hook: `x = hook(stage, x)` after the input (stage 0) and every layer.
      features: A hidden layer, as `stage2`, whose output is also returned.

    Returns:
      The logits, or with `features` the logits and the output `[B, D]`.
    """
    self._check()
    hook = hook or layers.no_hook
    maps = {}
    x = hook(0, x)
    x = x.reshape(x.shape[0], -1).astype(self.dtype)
    for stage, width in enumerate(self.widths, 1):
      x = nn.relu(self._dense(width, name=f"block{stage - 1}")(x))
      x = nn.Dropout(self.dropout, deterministic=not train)(x)
      maps[f"stage{stage}"] = x = hook(stage, x)
    init = nn.initializers.normal(0.01)
    head = nn.Dense(self.num_classes, kernel_init=init, name="head")
    return layers.answer(head(x.astype(jnp.float32)), maps, features)

  def _dense(self, width, name):
    init = nn.initializers.he_normal()
    return nn.Dense(width, dtype=self.dtype, kernel_init=init, name=name)

  def _check(self):
    layers.check_rate("dropout", self.dropout)
    given = isinstance(self.widths, tuple)
    if not given or not all(isinstance(w, int) and w > 0 for w in self.widths):
      raise ValueError(
          f"widths={self.widths} must be whole numbers above 0, as (128, 128)"
      )

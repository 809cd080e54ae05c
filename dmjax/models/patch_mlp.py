"""A network of two layers that sees an input patch by patch."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from dmjax.models import layers


class PatchMLP(nn.Module):
  """Filters of patches, a power of the ReLU, sums of them for each class.

      logit_k = (1 / m) sum_r sum_p relu(<w_kr, x_p>)^q

  The network of the theory of feature learning (arXiv 2303.08433 and its kin):
  every class has filters of its own, and nothing but filters is learned.

  Attributes:
    num_classes: K.
    patches: Number of patches, of equal size, that a row is cut into.
    width: m, filters of each class.
    power: q.
    scale: Standard deviation of the filters at first.
    dtype: Of the computation; parameters and logits stay float32.
  """

  num_classes: int
  patches: int = 4
  width: int = 10
  power: int = 2
  scale: float = 0.01
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
      x: Rows of `patches` times their size.
      train: Ignored.
      hook: `x = hook(stage, x)` after the input (stage 0) and the filters.
      features: `stage1`, what the filters say of the patches, which is then
        also returned.

    Returns:
      The logits, or with `features` the logits and `[B, patches, K, width]`.
    """
    del train
    hook = hook or layers.no_hook
    self._check(x)
    x = hook(0, x)
    x = x.reshape(len(x), self.patches, -1).astype(self.dtype)
    filters = nn.DenseGeneral(
        (self.num_classes, self.width), use_bias=False, dtype=self.dtype,
        kernel_init=nn.initializers.normal(self.scale), name="head",
    )
    x = hook(1, nn.relu(filters(x)) ** self.power)
    logits = jnp.sum(jnp.mean(x.astype(jnp.float32), axis=3), axis=1)
    return layers.answer(logits, {"stage1": x}, features)

  def _check(self, x):
    for name in ("patches", "width", "power"):
      value = getattr(self, name)
      if not isinstance(value, int) or value < 1:
        raise ValueError(f"{name}={value} must be a whole number above 0")
    size = x.size // len(x)
    if size % self.patches:
      raise ValueError(
          f"patches={self.patches} must divide the {size} columns of a row"
      )

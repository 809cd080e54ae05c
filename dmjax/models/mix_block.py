"""The Mix Block: a mask for two images, from their features and lambda.

AutoMix (arXiv 2103.13027) and SAMix (arXiv 2111.15454).
"""

from collections.abc import Sequence
import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from dmjax import names

EMBEDDINGS = ("none", "concat", "multiply")
UPSAMPLING = {"nearest": "nearest", "bilinear": "linear"}

_narrow = nn.initializers.normal(0.01)


class MixBlock(nn.Module):
  """Cross-attention from the features of a row to those of its partner.

      P = softmax(Q(f_i) K(f_j)^T / sqrt(D / 2)),   m_j = P V(f_j)
      mask = 1 - sigmoid(upsample(m_j))

  The mask is the share of the row itself. The two images play different parts:
  the partner's values decide, where the row attends to them. So swapping the
  pair and taking 1 - lambda asks for another mask, which is not one minus the
  first. At the initialisation every mask is about 1/2.

  Attributes:
    embedding: How the features are told lambda. `none`; `concat`: a channel of
      lambda beside f_i and one of 1 - lambda beside f_j; `multiply`:
      `f_i (1 + r)` and `f_j (2 - r)` with r of `bend`.
    bend: k of r = (4/3 l^3 - 2 l^2 + (k + 1) l) / (k + 1/3), which flattens
      lambda around 1/2; negative for r = lambda.
    own_key: A projection of its own for the keys, else that of the queries.
    both: Queries and keys each see the features of both images.
    neck: Values from 1x1 convolution, batch norm, ELU, 1x1 convolution, neither
      of the two with a bias; else from one 1x1 convolution with a bias.
    dropout: Rate of dropout of the values of the neck, one channel, drawn in
      training from the rng collection `dropout`.
    upsample: `nearest` or `bilinear`, before the sigmoid.
    dtype: Of the projections; attention and mask are float32.
    axis_name: Axis over which batch statistics of the neck are averaged.
  """

  embedding: str = "none"
  bend: float = -1.0
  own_key: bool = False
  both: bool = False
  neck: bool = False
  dropout: float = 0.0
  upsample: str = "nearest"
  dtype: Any = jnp.float32
  axis_name: str | None = None

  @nn.compact
  def __call__(
      self,
      features: jax.Array,
      partner: jax.Array,
      lam: jax.typing.ArrayLike,
      shape: Sequence[int],
      *,
      train: bool = False,
  ) -> jax.Array:
    """The masks of a batch.

    Args:
      features: `[B, h, w, D]`.
      partner: `int[B]`, the row each row is mixed with.
      lam: Share asked for the row itself, a scalar or `[B]`.
      shape: `(H, W)` of the images.
      train: Use and update the batch statistics of the neck.

    Returns:
      `float32[B, H, W, 1]` in (0, 1) up to rounding, the share of the row
      itself.

    Raises:
      ValueError: For an unknown embedding or upsampling.
    """
    _check("embedding", self.embedding, EMBEDDINGS)
    _check("upsample", self.upsample, UPSAMPLING)
    width = features.shape[-1] // 2
    lam = jnp.broadcast_to(jnp.asarray(lam, jnp.float32), features.shape[:1])
    own, other = self._embed(features, features[partner], lam)
    query = self._project(width, "query")
    key = self._project(width, "key") if self.own_key else query
    pair = jnp.concatenate([own, other], axis=-1) if self.both else None
    logits = _attend(
        query(own if pair is None else pair),
        key(other if pair is None else pair),
        self._values(other, width, train),
    )
    size = (logits.shape[0], *shape[:2], 1)
    logits = jax.image.resize(logits, size, UPSAMPLING[self.upsample])
    return nn.sigmoid(-logits)  # 1 - sigmoid, without the cancellation.

  def _embed(self, own, other, lam):
    lam = lam[:, None, None, None]
    if self.embedding == "concat":
      return _append(own, lam), _append(other, 1 - lam)
    if self.embedding == "multiply":
      scale = bend_lambda(lam, self.bend).astype(own.dtype)
      return own * (1 + scale), other * (2 - scale)
    return own, other

  def _values(self, x, width, train):
    if not self.neck:
      return self._project(1, "value")(x)
    x = self._project(width, "value_conv1", bias=False)(x)
    x = nn.BatchNorm(
        not train, momentum=0.9, epsilon=1e-5, dtype=self.dtype,
        axis_name=self.axis_name, name="value_norm",
    )(x)
    x = self._project(1, "value_conv2", bias=False)(nn.elu(x))
    return nn.Dropout(self.dropout, deterministic=not train)(x)

  def _project(self, width, name, bias=True):
    return nn.Conv(
        width, (1, 1), use_bias=bias, dtype=self.dtype, kernel_init=_narrow,
        name=name,
    )


FLAVOURS = {
    "automix": MixBlock,
    "samix": functools.partial(
        MixBlock, embedding="multiply", own_key=True, both=True, neck=True,
        upsample="bilinear",
    ),
}


def create_mix_block(name: str, **options: Any) -> MixBlock:
  """The Mix Block of AutoMix or SAMix, `automix` or `samix`.

  Args:
    name: A key of `FLAVOURS`.
    **options: Attributes that differ from those of the flavour.

  Returns:
    The module, without parameters.

  Raises:
    ValueError: For an unknown name or option.
  """
  build = names.lookup("mix block", name, FLAVOURS)
  known = set(MixBlock.__dataclass_fields__) - {"parent", "name"}
  for option in options:
    if option not in known:
      raise ValueError(
          f"mix block {name!r} has no option {option!r};"
          f" {names.suggest(option, known)}"
      )
  return build(**options)


def bend_lambda(lam: jax.Array, k: float) -> jax.Array:
  """SAMix's r(lambda): 0, 1/2, 1 stay; in between it is flatter (k >= 0)."""
  if k < 0:
    return lam
  return (4 / 3 * lam**3 - 2 * lam**2 + (k + 1) * lam) / (k + 1 / 3)


def _check(name, value, valid):
  if value not in valid:
    raise ValueError(
        f"{name} must be one of {', '.join(valid)}, got {value!r}"
    )


def _append(features, value):
  channel = jnp.broadcast_to(value, (*features.shape[:3], 1))
  return jnp.concatenate([features, channel.astype(features.dtype)], axis=-1)


def _attend(query, key, value):
  """Maps `[B, h, w, D]`, twice, and `[B, h, w, 1]` to `float32[B, h, w, 1]`."""
  batch, height, width, channels = query.shape
  query = query.reshape(batch, -1, channels)
  key = key.reshape(batch, -1, channels)
  value = value.reshape(batch, -1, 1).astype(jnp.float32)
  scores = jnp.einsum(
      "bqd,bkd->bqk", query, key, preferred_element_type=jnp.float32
  )
  weights = nn.softmax(scores * channels**-0.5)
  mixed = jnp.einsum("bqk,bkv->bqv", weights, value)
  return mixed.reshape(batch, height, width, 1)

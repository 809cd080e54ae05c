"""Graph convolutional network (arXiv 1609.02907), and the nodes it sees."""

from typing import Any

from flax import struct
import flax.linen as nn
import jax
import jax.numpy as jnp

from dmjax.models import layers


@struct.dataclass
class Nodes:
  """A batch of nodes, with the graph around them.

  Methods treat it as the batch of rows that it is: `shape`, `len` and indexing
  are those of `rows`, and all batches of a graph share its arrays. It is no
  array, and mixers of inputs refuse it: what is mixed are the rows of a stage,
  by the hook of the network.

  Attributes:
    rows: `int32[B]`, the nodes.
    features: `float[N, D]`, of all nodes.
    senders: `int32[E]`, where the edges start; a node is its own neighbour.
    receivers: `int32[E]`, where they end, in ascending order.
    weights: `float32[E]`, the adjacency matrix at (receiver, sender).
  """

  rows: jax.Array
  features: jax.Array
  senders: jax.Array
  receivers: jax.Array
  weights: jax.Array

  # Out of range, JAX's arrays give the last row: iteration would not end.
  __iter__ = None

  @property
  def shape(self) -> tuple[int, ...]:
    """Of the rows."""
    return self.rows.shape

  @property
  def ndim(self) -> int:
    """Of the rows."""
    return self.rows.ndim

  @property
  def dtype(self) -> Any:
    """Of the features, which are what a network computes with."""
    return self.features.dtype

  def __len__(self) -> int:
    return len(self.rows)

  def __getitem__(self, indices: Any) -> "Nodes":
    return self.replace(rows=self.rows[indices])


class GCN(nn.Module):
  """`softmax(A relu(A X W1) W2)`, with dropout of what a layer multiplies.

  A is the normalised adjacency matrix. As in the authors' code no layer has a
  bias, so the network is positively homogeneous in the features.

  Attributes:
    num_classes: Size of the head.
    widths: Of the hidden layers.
    dropout: Rate, to 1/256, of the features and the hidden rows of all nodes.
    dtype: Of the computation; parameters stay float32.
  """

  num_classes: int
  widths: tuple[int, ...] = (16,)
  dropout: float = 0.5
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(
      self,
      x: Nodes,
      *,
      train: bool,
      hook: layers.Hook | None = None,
      features: str | None = None,
  ):
    """Nodes `[B]` to logits `float32[B, num_classes]`.

    Args:
      x: The nodes; with a hook all different.
      train: Drop out.
      hook: `rows = hook(stage, rows)` of the features of the batch `[B, D]`
        (stage 0) and of its rows of every hidden layer. What comes out takes
        the place of these rows, and is then propagated to their neighbours.
      features: A stage, as `stage1`, whose rows of the batch are also returned.

    Returns:
      The logits, or with `features` the logits and the rows `[B, width]`.

    Raises:
      ValueError: For anything but nodes, and a rate outside [0, 1).
    """
    _check_nodes(x)
    layers.check_rate("dropout", self.dropout)
    maps, h = {}, _hooked(hook, 0, x.features, x.rows)
    for stage, width in enumerate(self.widths, 1):
      h = self._dense(h, width, self.dtype, train, f"layer{stage}")
      h = _hooked(hook, stage, nn.relu(propagate(x, h)), x.rows)
      maps[f"stage{stage}"] = h[x.rows]
    h = self._dense(h, self.num_classes, jnp.float32, train, "head")
    return layers.answer(propagate(x, h)[x.rows], maps, features)

  def _dense(self, h, width, dtype, train, name):
    if train and self.dropout:
      h = _drop(self.make_rng("dropout"), h, self.dropout)
    glorot = nn.initializers.glorot_uniform()
    return nn.Dense(
        width, use_bias=False, dtype=dtype, kernel_init=glorot, name=name
    )(h)


def propagate(nodes: Nodes, h: jax.Array) -> jax.Array:
  """`A h`, for rows of all nodes.

  Args:
    nodes: Of the graph.
    h: `[N, D]`.

  Returns:
    `[N, D]`, summed in float32, in the dtype of h.
  """
  messages = nodes.weights[:, None] * h[nodes.senders]
  return jax.ops.segment_sum(
      messages, nodes.receivers, len(h), indices_are_sorted=True
  ).astype(h.dtype)


def _check_nodes(x):
  if not isinstance(x, Nodes):
    raise ValueError(
        f"x must be nodes of a graph, got inputs of shape {x.shape}; a graph"
        " network is for data such as 'cora'"
    )


def _drop(key, h, rate):
  """Dropout by one random byte an entry, in place of `nn.Dropout`'s word.

  The features of a graph are a large matrix. On a CPU the draws of words are
  nine tenths of a training step on Cora; those of bytes cost an eighth.
  """
  nodes, width = h.shape
  words = jax.random.bits(key, (nodes, -(-width // 4)), jnp.uint32)
  chances = jax.lax.bitcast_convert_type(words, jnp.uint8).reshape(nodes, -1)
  dropped = min(round(256 * rate), 255)
  kept = chances[:, :width] >= dropped
  return jnp.where(kept, h * (256 / (256 - dropped)), 0)


def _hooked(hook, stage, h, rows):
  """The rows of the batch through the hook, all others as they are."""
  return h if hook is None else h.at[rows].set(hook(stage, h[rows]))

"""What methods of semi-supervised training share.

Their batches hold two streams, `{"labelled": {"x", "label"}, "unlabelled":
{"weak", "strong", "index"}}`, where the views are those that `Method.views` asks
for. What is evaluated is the running average of the parameters, with the
present batch statistics, as in the papers' code.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from dmjax.methods import base
from dmjax.models import model_state
from dmjax.models import Network

# Of the two streams, by the name a loss finds them under.
LABELLED = {"x": "weak"}
WEAK_AND_STRONG = {"weak": "weak", "strong": "strong"}


def method_of(
    network: Network,
    loss: Callable[..., tuple[jax.Array, base.Aux]],
    *,
    num_classes: int,
    ema_decay: float,
    unlabelled: Mapping[str, str],
    labelled: Mapping[str, str] = LABELLED,
    memory: Callable[[], Any] = lambda: None,
    remember: Callable[[Any, Any], Any] = lambda memory, carried: memory,
    mixes: Callable[..., dict[str, jax.Array]] | None = None,
    note: str = "",
) -> base.Method:
  """A method of semi-supervised training, from its loss and its memory.

  Args:
    network: To logits; the first `num_classes` are what is predicted.
    loss: As in `Method`.
    num_classes: Number of classes.
    ema_decay: Of the running average, `ema <- d ema + (1 - d) params`.
    unlabelled: Views of the unlabelled images, `weak` or `strong` by name.
    labelled: Views of the labelled ones.
    memory: What `state.extra` is before the first step.
    remember: `(memory, carried) -> memory`, after each step.
    mixes: As in `Method`.
    note: What a step costs, in words.

  Returns:
    The method.

  Raises:
    ValueError: For a decay outside [0, 1).
  """
  if not 0 <= ema_decay < 1:
    raise ValueError(f"ema_decay must lie in [0, 1), got {ema_decay}")

  def init(key, batch, variables=None):
    if variables is None:
      variables = network.init(key, batch["x"][:1])
    params = variables["params"]
    # A copy: the step donates the state it is given.
    ema = jax.tree.map(jnp.copy, params)
    return base.TrainState(
        jnp.int32(0), params, model_state(variables), ema=ema, extra=memory()
    )

  def after_update(state, carried):
    ema = optax.incremental_update(state.params, state.ema, 1 - ema_decay)
    return state.replace(ema=ema, extra=remember(state.extra, carried))

  def variables(state):
    return {"params": state.ema, **state.model_state}

  def predict(state, batch):
    return network.predict(variables(state), batch["x"])[:, :num_classes]

  return base.Method(
      network, init, loss, after_update, predict, variables, note=note,
      views={"labelled": labelled, "unlabelled": unlabelled}, mixes=mixes,
  )


def forward(
    network: Network, params: Any, state: base.TrainState,
    rows: Mapping[str, jax.Array], key: jax.Array,
) -> tuple[dict[str, jax.Array], dict[str, Any]]:
  """All rows through the network at once, so that they share batch statistics.

  Args:
    network: The network.
    params: Its parameters.
    state: With its model state.
    rows: Inputs by name, `[B, ...]` each.
    key: PRNG key.

  Returns:
    Logits by name, and the new model state.
  """
  variables = {"params": params, **state.model_state}
  x = jnp.concatenate(list(rows.values()))
  logits, model_state_ = network.train(variables, x, key)
  ends = np.cumsum([len(each) for each in rows.values()])[:-1]
  return dict(zip(rows, jnp.split(logits, ends))), model_state_


def cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
  """`-log p[y]` of each row, `[B]`, for classes `int[B]`."""
  return optax.softmax_cross_entropy_with_integer_labels(logits, labels)


def mean_of(values: jax.Array) -> tuple[jax.Array, int]:
  """A metric, as the pair of sum and count that the engine adds up."""
  return jnp.sum(values), values.size


def accuracy(logits: jax.Array, labels: jax.Array) -> tuple[jax.Array, int]:
  """The metric of labelled rows."""
  return mean_of(jnp.argmax(logits, -1) == labels)


def gather(x: Any, axis_name: str | None) -> Any:
  """Rows of all devices, in order; those of this one without an axis."""
  if axis_name is None:
    return x
  return jax.lax.all_gather(x, axis_name, tiled=True)

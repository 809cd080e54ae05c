"""The state of training, and the four functions that make a method."""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.struct
import jax
import optax

from dmjax.methods.learned import Learned

Batch = dict[str, jax.Array]
Metrics = dict[str, tuple[jax.Array, jax.Array]]


class TrainState(flax.struct.PyTreeNode):
  """All that a checkpoint holds.

  Attributes:
    step: `int32[]`, optimizer steps done.
    params: Trainable parameters.
    model_state: What a forward pass updates, such as batch statistics.
    opt_state: State of the optimizer.
    ema: Running average of the parameters and model state, or None.
    extra: Whatever else a method carries.
  """

  step: jax.Array
  params: Any
  model_state: Any
  opt_state: Any = None
  ema: Any = None
  extra: Any = None


class Method(NamedTuple):
  """A training method.

  Attributes:
    init: `(key, batch, variables=None) -> TrainState`, without optimizer state.
      `variables` of the model, such as pretrained ones, instead of new ones.
    loss: `(params, state, batch, key) -> (scalar, (model_state, metrics))`.
      Runs on one device's part of the batch; the engine averages gradients and
      model state over devices and adds up the metrics, `(sum, count)` pairs.
    after_update: `state -> state`, after the optimizer: averages, queues.
    predict: `(state, images) -> logits`, what evaluation uses.
    learned: `state -> Learned`, of methods that learn to mix.
  """

  init: Callable[..., TrainState]
  loss: Callable[..., tuple[jax.Array, tuple[Any, Metrics]]]
  after_update: Callable[[TrainState], TrainState]
  predict: Callable[[TrainState, jax.Array], jax.Array]
  learned: Callable[[TrainState], Learned] | None = None


def update_ema(state: TrainState, decay: float) -> TrainState:
  """Moves the running average towards the present parameters.

      ema <- ema + (1 - min(decay, (1 + t) / (10 + t))) (params - ema)

  The bound on the decay in the first steps keeps the average from remembering
  the initialisation.
  """
  if not decay:
    return state
  bounded = jax.numpy.minimum(decay, (1 + state.step) / (10 + state.step))
  now = (state.params, state.model_state)
  ema = optax.incremental_update(now, state.ema, 1 - bounded)
  return state.replace(ema=ema)

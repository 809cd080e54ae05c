"""The state of training, and the functions that make a method."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import flax.struct
import jax
import optax

from dmjax import mixers
from dmjax.methods.learned import Learned
from dmjax.models import Network

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


class Aux(NamedTuple):
  """What a loss gives beside its value.

  Attributes:
    model_state: The new one.
    metrics: `(sum, count)` pairs, which the engine adds up over devices.
    carried: What is to be remembered: arrays with one row per example, which
      the engine gathers over devices and hands to `after_update`.
    losses: That of each example, whose mean is the value; None where there is no
      such thing.
  """

  model_state: Any
  metrics: Metrics
  carried: Any = None
  losses: jax.Array | None = None


class Method(NamedTuple):
  """A training method: pure functions of one state.

  A batch is a dict of arrays whose first axis is the batch: `x`, float32,
  images in [0, 1], `label`, `int32[B]`, and whatever rides along.

  Attributes:
    network: The network that is trained and evaluated.
    init: `(key, batch, variables=None) -> TrainState`, without optimizer state.
      `variables` of the network, such as pretrained ones, instead of new ones.
    loss: `(params, state, batch, key) -> (scalar, Aux)`, on one device's part of
      the batch. The engine averages gradients and model state over devices.
    after_update: `(state, carried) -> state`, after the optimizer: averages,
      queues, memory.
    predict: `(state, batch) -> logits`, what evaluation uses: of the outputs of
      the network the first ones, one for each class.
    variables: `state -> variables` of the network, those that `predict` uses.
    learned: `state -> Learned`, of methods that learn to mix.
    note: What a step costs beside the usual, in words; empty for nothing.
    views: What `loss` finds of the images `x` of a batch, by name: `weak`, the
      training augmentation, or `strong`. Nested by the names of the streams
      where there are several.
    mixes: `(key, batch) -> images` by name, what a step mixes of several
      streams, for pictures; None for nothing.
    mixes_features: Whether the mixer mixes features of the network, where
      pictures can show the inputs alone.
    embed: `(state, x) -> [B, D]`, vectors that are near each other for examples
      of one class; None for the features before the head.
  """

  network: Network
  init: Callable[..., TrainState]
  loss: Callable[..., tuple[jax.Array, Aux]]
  after_update: Callable[[TrainState, Any], TrainState]
  predict: Callable[[TrainState, Batch], jax.Array]
  variables: Callable[[TrainState], dict[str, Any]]
  learned: Callable[[TrainState], Learned] | None = None
  note: str = ""
  views: Mapping[str, Any] = {"x": "weak"}
  mixes: Callable[..., dict[str, jax.Array]] | None = None
  mixes_features: bool = False
  embed: Callable[[TrainState, jax.Array], jax.Array] | None = None


class Parts(NamedTuple):
  """What a run gives a method to be made of.

  Attributes:
    network: `number of outputs -> Network`.
    num_classes: Of the data.
    mixer: `mixer(key, x) -> Mixed`.
    guidance: What the mixer needs to be given.
    loss: `loss(logits, labels, weights) -> [B]`.
    total_steps: Length of training.
    steps: `(key, duration) -> steps`, of a duration in the configuration.
    teacher: `name -> guidance.Teacher`, of a workdir or a file.
    num_unlabelled: Number of unlabelled examples; 0 for none.
    batch_size: Of all devices.
    axis_name: Axis over which networks of the method's own average their batch
      statistics, as `network` does; None where each device has its own.
    num_domains: Domains that the training examples come from; 0 where nothing
      is known of any.
    per_class: Examples of one class that stand together in a batch; 0 where any
      classes follow each other.
  """

  network: Callable[[int], Network]
  num_classes: int
  mixer: Callable[..., mixers.Mixed]
  guidance: mixers.Guidance
  loss: Callable[..., jax.Array]
  total_steps: int
  steps: Callable[[str, str], int]
  teacher: Callable[[str], Any]
  num_unlabelled: int = 0
  batch_size: int = 0
  axis_name: str | None = None
  num_domains: int = 0
  per_class: int = 0


def check_unguided(parts: Parts, method: str, *, such_as: str) -> None:
  """Raises ValueError for a mixer that needs to be given something.

  Args:
    parts: What the run gives.
    method: Name of the method.
    such_as: A mixer that would do.
  """
  if parts.guidance != mixers.needs():
    raise ValueError(
        f"mix must be a mixer without guidance for method {method!r}, such as"
        f" {such_as!r}; got one that needs {parts.guidance}"
    )


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

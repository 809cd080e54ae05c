"""A network as three pure functions, around a module of Flax Linen."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from dmjax.models import registry


class Network(NamedTuple):
  """What a method sees of a network, whatever library it is written in.

  Variables are a dict: `params`, and what a forward pass updates, such as
  `batch_stats`. The latter alone are the model state.

  Attributes:
    init: `(key, x) -> variables`.
    train: `(variables, x, key, *, hook=None, features=None) -> (out, model
      state)`, with dropout and batch statistics.
    predict: `(variables, x, *, hook=None, features=None) -> out`, without
      either. `out` is the logits, with `features` the logits and what is named.
  """

  init: Callable[..., dict[str, Any]]
  train: Callable[..., tuple[Any, dict[str, Any]]]
  predict: Callable[..., Any]


def create_network(
    name: str,
    *,
    mean: Sequence[float] = (0.0,),
    std: Sequence[float] = (1.0,),
    **options: Any,
) -> Network:
  """A network of `MODELS` that sees inputs in [0, 1] and normalises them.

  Args:
    name: A key of `MODELS`.
    mean: Of the channels of its inputs; empty for inputs as they are.
    std: Likewise.
    **options: Those of `create`, such as `num_classes` and `dtype`.

  Returns:
    The network.

  Raises:
    ValueError: For an unknown name or option.
  """
  return of_linen(registry.create(name, **options), mean=mean, std=std)


def of_linen(
    module: nn.Module,
    *,
    mean: Sequence[float] = (0.0,),
    std: Sequence[float] = (1.0,),
) -> Network:
  """A Linen classifier, called as those of `MODELS`, behind a normalisation.

  Args:
    module: `module(x, *, train, hook=None, features=None)`.
    mean: Of the last axis of `x`, one value or one per channel; empty for an
      input that is taken as it is.
    std: Likewise.

  Returns:
    The network.
  """
  if not mean:
    return _network(module, lambda x: (x,))
  return _network(module, lambda x: (normalize(x, mean, std),))


def of_mix_block(block: nn.Module) -> Network:
  """A network that mixes, whose `x` is its arguments.

  Those of a Mix Block are `(features, partner, lam, (H, W))`.
  """
  return _network(block, tuple)


def _network(module, arguments):
  """The three functions; `arguments(x)` are those of the module."""

  def init(key, x):
    return module.init(key, *arguments(x), train=False)

  def train(variables, x, key, **options):
    return module.apply(
        variables, *arguments(x), train=True, rngs={"dropout": key},
        mutable=list(model_state(variables)), **options,
    )

  def predict(variables, x, **options):
    return module.apply(variables, *arguments(x), train=False, **options)

  return Network(init, train, predict)


def normalize(
    x: jax.Array, mean: Sequence[float], std: Sequence[float]
) -> jax.Array:
  """`(x - mean) / std`, per channel of the last axis."""
  mean, std = jnp.asarray(mean, x.dtype), jnp.asarray(std, x.dtype)
  shape = (1,) * (x.ndim - 1) + (-1,)
  return (x - mean.reshape(shape)) / std.reshape(shape)


def model_state(variables: dict[str, Any]) -> dict[str, Any]:
  """All variables but the parameters."""
  return {k: v for k, v in variables.items() if k != "params"}

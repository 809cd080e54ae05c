"""Embeddings of examples, of any method."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from dmjax.methods import base
from dmjax.methods import guidance


def of_method(method: base.Method) -> Callable[[Any, Any], jax.Array]:
  """`(state, x) -> [B, D]`, in evaluation.

  Args:
    method: The method.

  Returns:
    Its own embeddings; those of a method that has none are the mean of the map
    of the last stage, what the head of most networks sees.
  """
  return method.embed or _features_of(method)


def _features_of(method):
  network = method.network

  def embed(state, x):
    variables = method.variables(state)
    stage = guidance.last_stage(network, variables, x)
    features = network.predict(variables, x, features=stage)[1]
    inner = tuple(range(1, features.ndim - 1))
    return jnp.mean(features.astype(jnp.float32), axis=inner)

  return embed

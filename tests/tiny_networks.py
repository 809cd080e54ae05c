"""Networks of a few parameters, without batch norm, for tests of methods."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from dmjax import models
from dmjax.models import layers


class Tiny(nn.Module):
  """A convolution and a head; `stage1` is its map, of half the size."""

  outputs: int = 4
  width: int = 6

  @nn.compact
  def __call__(self, x, *, train=False, hook=None, features=None):
    del train
    hook = hook or layers.no_hook
    x = nn.Conv(self.width, (3, 3), (2, 2))(hook(0, x))
    x = hook(1, jnp.tanh(x))
    logits = nn.Dense(self.outputs, name="head")(jnp.mean(x, axis=(1, 2)))
    return layers.answer(logits, {"stage1": x}, features)


def network(outputs=4):
  """As three pure functions."""
  return models.of_linen(Tiny(outputs))


def batch(size=8, side=6):
  """Images, and labels of which neighbours differ."""
  x = jax.random.uniform(jax.random.key(5), (size, side, side, 1))
  return {"x": x, "label": jnp.arange(size) % 4}


def noisy(tree, scale=0.5, seed=0):
  """The same tree with noise, so that nothing is at its special start."""
  leaves, form = jax.tree.flatten(tree)
  keys = jax.random.split(jax.random.key(seed), len(leaves))
  return form.unflatten([
      leaf + scale * jax.random.normal(key, leaf.shape)
      for leaf, key in zip(leaves, keys)
  ])


def halves(data):
  """The parts of two devices."""
  size = len(data["label"]) // 2
  return [
      {k: v[i * size : (i + 1) * size] for k, v in data.items()} for i in (0, 1)
  ]

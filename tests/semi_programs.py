"""What the tests of semi-supervised methods share: a network, and twins."""

import functools
import os
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import methods
from dmjax import mixers
from dmjax import models

SHARED = pathlib.Path(
    os.environ.get("DMJAX_SHARED", pathlib.Path(__file__).parents[2] / "shared")
)
GOLDEN = SHARED / "golden" / "semi_supervised.npz"
needs_golden = pytest.mark.skipif(
    not GOLDEN.exists(), reason="the golden values are not on this machine"
)
CLASSES, SIDE, LABELLED, UNLABELLED = 3, 4, 4, 6

# Neighbours from the two ends, and a lambda that is known; folded it is 0.8.
MIXER = functools.partial(mixers.mixup, partner="flip", lam=0.2)


def linear_network(outputs):
  """Logits `x @ w`; its state is the mean of what it saw in training."""

  def init(key, x):
    w = jax.random.normal(key, (x[0].size, outputs))
    return {"params": {"w": w}, "stats": {"mean": jnp.zeros(())}}

  def predict(variables, x):
    return x.reshape(len(x), -1) @ variables["params"]["w"]

  def train(variables, x, key):
    del key
    return predict(variables, x), {"stats": {"mean": jnp.mean(x)}}

  return models.Network(init, train, predict)


def batch_of(views, unlabelled=UNLABELLED, seed=0):
  """Random images of the two streams."""
  rng = np.random.default_rng(seed)
  image = lambda n: rng.uniform(size=(n, SIDE, SIDE, 1)).astype(np.float32)
  return {
      "labelled": {
          "x": image(LABELLED),
          "label": rng.integers(CLASSES, size=LABELLED).astype(np.int32),
      },
      "unlabelled": {
          "index": np.arange(unlabelled),
          **{name: image(unlabelled) for name in views},
      },
  }


def state_of(method, step):
  """The first state of a method, called that of another step."""
  image = {"x": jnp.zeros((1, SIDE, SIDE, 1))}
  state = method.init(jax.random.key(0), image)
  return state.replace(step=jnp.int32(step))


def loss_and_gradient(method, state, batch, seed=1):
  """`(loss, aux), gradient of w`, compiled."""
  run = jax.jit(jax.value_and_grad(method.loss, has_aux=True))
  out, grads = run(state.params, state, batch, jax.random.key(seed))
  return *jax.device_get(out), np.asarray(grads["w"])


def parts_of(mixer, loss, guidance=mixers.needs()):
  """The parts of a run of 10 steps."""
  return methods.Parts(
      network=linear_network, num_classes=CLASSES, mixer=mixer,
      guidance=guidance, loss=loss, total_steps=10, steps=None, teacher=None,
  )


# Twins, in float64.


def flat(x):
  return np.asarray(x, np.float64).reshape(len(x), -1)


def softmax(z):
  powers = np.exp(z - np.max(z, axis=1, keepdims=True))
  return powers / np.sum(powers, axis=1, keepdims=True)


def one_hot(y, classes=CLASSES):
  return np.eye(classes)[y]


def cross_entropy(z, targets):
  """Of each row, with soft targets."""
  return -np.sum(targets * np.log(softmax(z)), axis=1)


def sharpen(p):
  """At temperature 1/2."""
  return p**2 / np.sum(p**2, axis=1, keepdims=True)


def flip_mixed(rows, lam=0.8):
  """Each row with its partner under `MIXER`."""
  return lam * rows + (1 - lam) * rows[::-1]


def ce_gradient(z, targets):
  """By the logits, of the mean of cross-entropies."""
  return (softmax(z) - targets) / len(z)


def l2_gradient(z, targets):
  """By the logits, of the mean squared error over rows and classes."""
  p = softmax(z)
  slope = 2 * (p - targets) / p.size
  return p * (slope - np.sum(p * slope, axis=1, keepdims=True))

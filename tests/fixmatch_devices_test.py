"""Steps of FixMatch over devices, and what is remembered from them."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from dmjax import parallel
from dmjax.train import step as step_lib
from tests.fixmatch_test import D
from tests.fixmatch_test import drawn
from tests.fixmatch_test import K
from tests.fixmatch_test import make
from tests.fixmatch_test import N
from tests.fixmatch_test import THRESHOLDS
from tests.semi_programs import softmax


@functools.cache
def trained(name, devices):
  """Three steps of gradient descent on so many devices, and their metrics."""
  method = make(THRESHOLDS[name], axis_name=parallel.AXIS)
  optimizer = optax.sgd(1.0)
  state = step_lib.create_state(
      method, optimizer, jax.random.key(0), {"x": jnp.zeros((1, D))}
  )
  step = step_lib.make_train_step(
      method, optimizer, lambda key, batch, shared: batch,
      schedule=optax.constant_schedule(1.0), steps=3,
  )
  rows = lambda x: np.swapaxes(x.reshape(3, devices, -1, *x.shape[2:]), 0, 1)
  batch = jax.tree.map(rows, drawn(steps=(3,)))
  shared = {"data": {}, "seed": np.uint32(1)}
  mapped = parallel.pmap(step, devices=jax.devices()[:devices])
  return jax.device_get(mapped(state, batch, shared))


@pytest.mark.parametrize("name", THRESHOLDS)
def test_one_device_and_four_give_the_same_gradients_and_memory(name):
  (one, one_metrics), (four, four_metrics) = trained(name, 1), trained(name, 4)
  chex.assert_trees_all_close(one.params, four.params, atol=1e-5)
  chex.assert_trees_all_close(one.ema, four.ema, atol=1e-5)
  chex.assert_trees_all_close(one.extra, four.extra, atol=1e-5)
  chex.assert_trees_all_close(one_metrics, four_metrics, rtol=1e-4)
  share = one_metrics["believed"][0] / one_metrics["believed"][1]
  assert 0 < share[-1] < 1


def test_the_memory_of_flexmatch_equals_a_loop():
  """The last confident prediction of each example, over three steps."""
  state, _ = trained("flexmatch", 4)
  batch, params = drawn(steps=(3,)), init_params()
  expected, beta = np.full(N, -1), np.zeros(K)
  for step in range(3):
    rows = jax.tree.map(lambda leaf: leaf[step], batch)
    probs = softmax(rows["unlabelled"]["weak"] @ params)
    params = params - gradient_in_numpy(params, rows, beta)
    for place, p in zip(rows["unlabelled"]["index"], probs):
      if p.max() >= 0.7:
        expected[place] = p.argmax()
    counts = np.bincount(expected + 1, minlength=K + 1)
    beta = counts[1:] / counts.max()
  np.testing.assert_array_equal(state.extra["selected"], expected)
  np.testing.assert_allclose(state.extra["beta"], beta, rtol=1e-6)
  np.testing.assert_allclose(state.params, params, atol=1e-5)


def init_params():
  state = step_lib.create_state(
      make(), optax.sgd(1.0), jax.random.key(0), {"x": jnp.zeros((1, D))}
  )
  return np.asarray(state.params, np.float64)


def gradient_in_numpy(params, batch, beta):
  """Of FixMatch with the thresholds of FlexMatch and tau = 0.7."""
  x, label = (batch["labelled"][name] for name in ("x", "label"))
  weak, strong = (batch["unlabelled"][name] for name in ("weak", "strong"))
  probs = softmax(weak @ params)
  pseudo = probs.argmax(1)
  asked = 0.7 * beta[pseudo] / (2 - beta[pseudo])
  believed = (probs.max(1) >= asked)[:, None]
  error = lambda x, y: softmax(x @ params) - np.eye(K)[y]
  return x.T @ error(x, label) / len(x) + strong.T @ (
      believed * error(strong, pseudo)
  ) / len(weak)

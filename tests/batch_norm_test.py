"""Batch norm over the batch of all devices, or over the part of each."""

import functools

import chex
import jax
import numpy as np
import optax
import pytest

from dmjax import mixers
from dmjax.train import mixing
from dmjax.train import run as run_lib
from dmjax.train import validate
from tests import automix_test
from tests import step_test
from tests import tiny_automix_config

DEVICES = 4


def method_of_run(sync):
  """SAMix as a run makes it: student, teacher and neck have batch norm.

  The pairs are the same however the batch is split over devices.
  """
  config = tiny_automix_config.get_config()
  config.sync_batch_norm = sync
  config.method.skip = 0.0
  mixer = mixing.Mixer(automix_test.pairs, mixers.needs())
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(mixing, "make_mixer", lambda *_: mixer)
    return run_lib.assemble(config).method


def build(method):
  # Plain gradient descent with rate 1: the update is the gradient.
  state, step = step_test.build(method, optax.sgd(1.0))
  # At the start the masks are 1/2 whatever the neck says.
  larger = jax.tree.map(lambda p: 20 * p, state.params["mix_block"])
  return state.replace(params=state.params | {"mix_block": larger}), step


@functools.cache
def on_devices(sync):
  """Gradients and running statistics of a step on all devices."""
  state, step = build(method_of_run(sync))
  after, _ = step_test.on_devices(step, state, step_test.data(), DEVICES)
  grads = jax.tree.map(lambda p, new: p - new, state.params, after.params)
  return grads, after.model_state


def by_hand(count):
  """The mean of those of parts of the batch, each by itself on one device."""
  method = method_of_run(sync=False)
  state, _ = build(method)

  @jax.jit
  def of_part(part):
    grads, aux = jax.grad(method.loss, has_aux=True)(
        state.params, state, part, jax.random.key(0)
    )
    return grads, aux.model_state

  batch = {k: np.split(v[0], count) for k, v in step_test.data().items()}
  parts = [of_part({k: v[i] for k, v in batch.items()}) for i in range(count)]
  return jax.tree.map(lambda *leaves: np.mean(leaves, axis=0), *parts)


def test_without_sync_every_device_has_statistics_of_its_own():
  chex.assert_trees_all_close(on_devices(False), by_hand(DEVICES), atol=2e-5)


def test_with_sync_devices_share_the_statistics_of_the_whole_batch():
  chex.assert_trees_all_close(on_devices(True), by_hand(1), atol=2e-5)


def test_the_two_are_not_the_same():
  synced, own = on_devices(True), on_devices(False)
  gaps = jax.tree.map(lambda a, b: abs(a - b).max(), synced, own)
  for name in ("student", "mix_block"):
    for kind in gaps:
      assert max(jax.tree.leaves(kind[name])) > 1e-3, gaps


def test_the_key_is_true_or_false():
  config = tiny_automix_config.get_config()
  with config.ignore_type():
    config.sync_batch_norm = 1
  message = "sync_batch_norm must be true or false, as True, got 1"
  with pytest.raises(ValueError, match=message):
    validate.check_config(config)

"""The compiled step: devices, compilation, transfers."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from dmjax import losses
from dmjax import methods
from dmjax import mixers
from dmjax import models
from dmjax import parallel
from dmjax.methods.supervised import mixed_accuracy
from dmjax.train import step as step_lib

BATCH = 64


def make_method(**options):
  network = models.create_network(
      "resnet8", num_classes=10, widths=(4, 8, 8), axis_name=parallel.AXIS
  )

  # Neighbours are partners, and lambda comes from the pixels: the mixed batch is
  # the same however it is split over devices.
  def mixer(key, x):
    del key
    partner = jnp.arange(x.shape[0]) ^ 1
    lam = 0.5 + 0.5 * jnp.mean(x, axis=(1, 2, 3)) ** 2
    return mixers.mixup(jax.random.key(0), x, partner=partner, lam=lam)

  return methods.supervised(
      network, mixer, losses.decoupled_cross_entropy, guidance=mixers.needs(),
      **options,
  )


def data(seed=0):
  """Images whose brightness tells their class."""
  rng = np.random.default_rng(seed)
  label = rng.integers(10, size=(1, BATCH)).astype(np.int32)
  noise = rng.uniform(size=(1, BATCH, 8, 8, 1))
  image = 0.09 * label[..., None, None, None] + 0.1 * noise
  return {"x": image.astype(np.float32), "label": label}


def build(method, optimizer=None, **options):
  optimizer = optimizer or optax.sgd(0.1)
  example = {"x": jnp.zeros((1, 8, 8, 1))}
  state = step_lib.create_state(method, optimizer, jax.random.key(0), example)
  step = step_lib.make_train_step(
      method, optimizer, lambda key, batch, shared: batch,
      schedule=optax.constant_schedule(0.1), **options,
  )
  return state, step


def on_devices(step, state, batch, count):
  """One step on the first `count` devices, by the map of the engine."""
  rows = lambda x: np.swapaxes(
      x.reshape(x.shape[0], count, -1, *x.shape[2:]), 0, 1
  )
  mapped = parallel.pmap(step, devices=jax.devices()[:count])
  shared = {"data": {}, "seed": np.uint32(1)}
  return jax.device_get(mapped(state, jax.tree.map(rows, batch), shared))


def test_one_device_and_four_give_the_same_gradients():
  # Plain gradient descent with rate 1: the update is the gradient.
  state, step = build(make_method(), optax.sgd(1.0))
  one, one_metrics = on_devices(step, state, data(), 1)
  four, four_metrics = on_devices(step, state, data(), 4)
  chex.assert_trees_all_close(one.params, four.params, atol=1e-5)
  chex.assert_trees_all_close(one.model_state, four.model_state, atol=1e-5)
  chex.assert_trees_all_close(one_metrics, four_metrics, rtol=1e-4)


def test_the_step_compiles_once_and_moves_nothing():
  state, step = build(make_method(ema_decay=0.9))
  chex.clear_trace_counter()
  traced = chex.assert_max_traces(step, n=1)
  mapped = parallel.pmap(traced, donate=True)
  state = parallel.replicate(state)
  shared = {"data": {}, "seed": parallel.replicate(np.uint32(1))}
  batches = [parallel.shard(data(seed)) for seed in range(3)]
  with jax.transfer_guard("disallow"):
    for batch in batches:
      state, metrics = mapped(state, batch, shared)
  assert int(state.step) == 3
  assert np.isfinite(jax.device_get(metrics["loss"][0])).all()


def remembering():
  """A method that remembers the labels it has seen, in the order of the batch."""
  method = make_method()

  def init(key, batch, variables=None):
    state = method.init(key, batch, variables)
    return state.replace(extra=jnp.full((BATCH, 2), -1.0))

  def loss(params, state, batch, key):
    total, aux = method.loss(params, state, batch, key)
    x = jnp.mean(batch["x"], axis=(1, 2, 3))
    return total, aux._replace(carried=(batch["label"], x))

  def after_update(state, carried):
    return state.replace(extra=jnp.stack(carried, axis=1))

  return method._replace(init=init, loss=loss, after_update=after_update)


def test_what_is_carried_is_gathered_over_devices_in_order():
  state, step = build(remembering())
  one, _ = on_devices(step, state, data(), 1)
  four, _ = on_devices(step, state, data(), 4)
  np.testing.assert_array_equal(one.extra[:, 0], data()["label"][0])
  np.testing.assert_array_equal(one.extra[:, 0], four.extra[:, 0])
  np.testing.assert_allclose(one.extra[:, 1], four.extra[:, 1], rtol=1e-5)


def test_no_key_is_both_split_and_folded(monkeypatch):
  """Over the first state and a step; a key is known by its trace."""
  used = {"split": [], "fold_in": []}
  for name, original in (("split", jax.random.split), ("fold_in", jax.random.fold_in)):

    def noted(key, *args, name=name, original=original, **options):
      used[name].append(key)
      return original(key, *args, **options)

    monkeypatch.setattr(jax.random, name, noted)
  state, step = build(make_method(ema_decay=0.9))
  jax.make_jaxpr(step, axis_env=[(parallel.AXIS, 1)])(
      state, data(), {"data": {}, "seed": np.uint32(1)}
  )
  split, folded = ({id(key) for key in keys} for keys in used.values())
  assert split and folded and not split & folded


def test_the_loss_falls():
  state, step = build(make_method())
  mapped, shared = parallel.pmap(step), {"data": {}, "seed": np.uint32(1)}
  seen = []
  for _ in range(60):
    state, metrics = mapped(state, parallel.shard(data()), shared)
    seen.append(float(metrics["loss"][0][0]))
  assert np.mean(seen[-5:]) < 0.8 * seen[0]


def test_steps_in_one_call_equal_single_calls():
  method = make_method()
  state, single = build(method)
  _, double = build(method, steps=2)
  shared = {"data": {}, "seed": np.uint32(1)}
  first, second = data(0), data(1)
  both = jax.tree.map(lambda a, b: np.concatenate([a, b]), first, second)
  together, metrics = parallel.pmap(double)(state, parallel.shard(both), shared)
  for batch in (first, second):
    state, _ = parallel.pmap(single)(state, parallel.shard(batch), shared)
  assert metrics["loss"][0].shape == (2,)
  chex.assert_trees_all_close(
      jax.device_get(together.params), jax.device_get(state.params), atol=1e-5
  )


def test_the_average_moves_towards_the_parameters():
  method = make_method(ema_decay=0.9)
  state, step = build(method)
  before = state.params
  after, _ = on_devices(step, state, data(), 1)
  decay = min(0.9, 2 / 11)  # Bounded by (1 + t) / (10 + t) at t = 1.
  expected = jax.tree.map(
      lambda old, new: decay * old + (1 - decay) * new, before, after.params
  )
  chex.assert_trees_all_close(after.ema[0], expected, atol=1e-6)


def test_mixed_accuracy_weighs_the_hits():
  logits = jnp.eye(4)[:2]
  labels = jnp.array([[0, 1], [0, 1]])
  weights = jnp.array([[0.7, 0.3], [0.6, 0.4]])
  total, count = mixed_accuracy(logits, labels, weights)
  np.testing.assert_allclose(total / count, (0.7 + 0.4) / 2)


@pytest.mark.parametrize("decay", (-0.1, 1.0))
def test_a_decay_outside_zero_to_one_is_refused(decay):
  with pytest.raises(ValueError, match="ema_decay must lie in"):
    make_method(ema_decay=decay)

"""Self-Tuning: its loss written out, its memory, devices, mixed images."""

import functools

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
from dmjax.methods import semi_mixing
from dmjax.models.projector import of_projector
from dmjax.train import step as step_lib
from tests import step_test

K, SIZE, DIM, ROWS = 3, 3, 6, 8
STREAMS = ("labelled", "unlabelled")


def network(heads=1, axis_name=None, dtype=jnp.float32):
  """Of two stages."""
  return models.create_network(
      "resnet8", num_classes=heads * K, depths=(1, 1), widths=(4, 8),
      axis_name=axis_name, dtype=dtype,
  )


def mixing():
  mixer = functools.partial(mixers.mixup, alpha=1.0)
  return semi_mixing.mixing(
      mixer, losses.decoupled_cross_entropy, num_classes=K
  )


def make(heads=1, axis_name=None, dtype=jnp.float32, **options):
  options = {"num_classes": K, "total_steps": 10, "queue_size": SIZE} | options
  return methods.self_tuning(
      network(heads, axis_name, dtype), of_projector(DIM), axis_name=axis_name,
      **options,
  )


def data(seed=0):
  """Two unlabelled images for each labelled one; many are of class 0."""
  rng = np.random.default_rng(seed)
  draw = lambda rows: rng.uniform(size=(rows, 8, 8, 1)).astype(np.float32)
  label = np.array([0, 0, 1, 0, 2, 0, 0, 1], np.int32)
  return {
      "labelled": {"x": draw(ROWS), "x2": draw(ROWS), "label": label},
      "unlabelled": {"query": draw(2 * ROWS), "key": draw(2 * ROWS)},
  }


@functools.cache
def in_the_middle(heads=1):
  """A state in which slow copies differ, and no parameter is zero."""
  method = make(heads)
  example = {"x": jnp.zeros((1, 8, 8, 1))}
  state = jax.jit(method.init)(jax.random.key(0), example)
  noised = lambda key, tree: jax.tree.map(
      lambda p, noise: p + 0.2 * noise, tree, optax.tree.random_like(key, tree)
  )
  keys = jax.random.split(jax.random.key(1))
  extra = state.extra | {"key": noised(keys[0], state.params)}
  extra["ptr"] = jnp.array([1, 0, 1])
  return state.replace(
      params=noised(keys[1], state.params), extra=extra, step=jnp.int32(4)
  )


@functools.cache
def differentiate(mixed=False):
  """Loss, what is beside it, and gradients of parameters and memory."""
  method = make(heads=2, mixing=mixing()) if mixed else make()

  def loss(params, slow, queue, state, batch):
    extra = state.extra | {"key": slow, "queue": queue}
    state = state.replace(extra=extra)
    return method.loss(params, state, batch, jax.random.key(5))

  graded = jax.jit(jax.value_and_grad(loss, (0, 1, 2), has_aux=True))

  def of(state, batch):
    extra = state.extra
    return graded(state.params, extra["key"], extra["queue"], state, batch)

  return of


def doubled(x):
  """In float64, if it is floating."""
  return x.astype(jnp.float64) if jnp.issubdtype(x.dtype, jnp.floating) else x


def put(queue, ptr, keys, labels):
  """Keys into a queue of NumPy arrays, one by one."""
  for key, label in zip(keys, labels):
    queue[label, ptr[label]] = key
    ptr[label] = (ptr[label] + 1) % SIZE


def expected_step(state, batch):
  """Terms of the loss, then the queue and its slots after the step."""
  cross_entropy = lambda z, label: np.log(np.sum(np.exp(z))) - z[label]
  unit = lambda x: x / np.linalg.norm(x, axis=1, keepdims=True)

  def encode(params, x):
    variables = {"params": params["network"], **state.model_state}
    (logits, maps), _ = network().train(
        variables, x, jax.random.key(0), features="stage2"
    )
    logits, maps, dense = jax.device_get(
        (logits, maps, params["projector"]["projection"])
    )
    projected = maps.mean(axis=(1, 2)) @ dense["kernel"] + dense["bias"]
    return logits, unit(projected)

  both = lambda one, other: np.concatenate(
      [batch["labelled"][one], batch["unlabelled"][other]]
  )
  logits, queries = encode(state.params, both("x", "query"))
  _, keys = encode(state.extra["key"], both("x2", "key"))
  labels = np.append(batch["labelled"]["label"], logits[ROWS:].argmax(axis=1))
  queue, ptr = np.array(state.extra["queue"]), np.array(state.extra["ptr"])
  terms = {"labelled": list(map(cross_entropy, logits[:ROWS], labels))}
  for stream, rows in zip(STREAMS, (slice(ROWS), slice(ROWS, None))):
    values = terms[f"contrast_{stream}"] = []
    for query, key, label in zip(queries[rows], keys[rows], labels[rows]):
      others = np.delete(queue, label, axis=0).reshape(-1, DIM)
      scores = np.stack([key, *queue[label], *others]) @ query / 0.07
      positive = [cross_entropy(scores, i) for i in range(SIZE + 1)]
      values.append(np.mean(positive) - np.log(SIZE + 1))
    put(queue, ptr, keys[rows], labels[rows])
  return terms, queue, ptr


def test_loss_and_memory_equal_a_step_written_out():
  """Unlabelled queries see the labelled keys of the step, which come first."""
  state, batch = in_the_middle(), data()
  (total, aux), _ = differentiate()(state, batch)
  terms, queue, ptr = expected_step(state, batch)
  for name, values in terms.items():
    found, count = aux.metrics[f"loss_{name}"]
    np.testing.assert_allclose(found / count, np.mean(values), rtol=1e-4)
  expected = sum(map(np.mean, terms.values()))
  np.testing.assert_allclose(total, expected, rtol=1e-4)
  after = make().after_update(state, aux.carried)
  np.testing.assert_allclose(after.extra["queue"], queue, atol=1e-5)
  np.testing.assert_array_equal(after.extra["ptr"], ptr)


def test_slow_copies_move_twice_in_a_step():
  state = in_the_middle()
  (_, aux), _ = differentiate()(state, data())
  after = make(momentum=0.9).after_update(state, aux.carried)
  once = lambda slow: jax.tree.map(
      lambda k, q: 0.9 * k + 0.1 * q, slow, state.params
  )
  twice = once(once(state.extra["key"]))
  chex.assert_trees_all_close(after.extra["key"], twice, atol=1e-6)
  chex.assert_trees_all_equal(after.params, state.params)


def test_network_and_projector_learn_and_the_memory_does_not():
  _, (params, slow, queue) = differentiate()(in_the_middle(), data())
  for name in ("network", "projector"):
    largest = jax.tree.map(lambda g: np.abs(g).max(), params[name])
    assert min(jax.tree.leaves(largest)) > 1e-6, largest
  assert not any(np.any(leaf) for leaf in jax.tree.leaves((slow, queue)))


def test_one_device_and_four_give_the_same_step():
  """The update is the gradient; queue and slots are those of all devices.

  In float64: the contrast amplifies the rounding of small batch statistics.
  """
  method = make(axis_name=parallel.AXIS, dtype=jnp.float64)
  optimizer = optax.sgd(1.0)
  step = step_lib.make_train_step(
      method, optimizer, lambda key, batch, shared: batch,
      schedule=optax.constant_schedule(1.0),
  )
  state, batch = in_the_middle(), jax.tree.map(lambda x: x[None], data())
  state = state.replace(opt_state=optimizer.init(state.params))
  with jax.enable_x64(True):
    state, batch = jax.tree.map(doubled, (state, batch))
    one, one_metrics = step_test.on_devices(step, state, batch, 1)
    four, four_metrics = step_test.on_devices(step, state, batch, 4)
  chex.assert_trees_all_close(one.params, four.params, atol=1e-6)
  chex.assert_trees_all_close(one.extra, four.extra, atol=1e-6)
  chex.assert_trees_all_close(one_metrics, four_metrics, rtol=1e-5)


def test_mixed_pairs_of_labelled_and_unlabelled_come_in_slowly():
  """By (1 - cos(pi t / T)) / 2; all other terms count in full."""
  state = in_the_middle(heads=2)
  for step, ramp in ((0, 0.0), (5, 0.5), (10, 1.0)):
    now = state.replace(step=jnp.int32(step))
    (total, aux), _ = differentiate(mixed=True)(now, data())
    terms = {
        name: float(found / count)
        for name, (found, count) in aux.metrics.items()
        if name.startswith("loss_")
    }
    assert len(terms) == 5 and min(terms.values()) > 0
    slow = terms.pop("loss_mixed_unlabelled")
    expected = sum(terms.values()) + ramp * slow
    np.testing.assert_allclose(total, expected, rtol=1e-5)


def test_mixed_images_learn_the_second_head_and_the_first_is_evaluated():
  state = in_the_middle(heads=2)
  _, (grads, _, _) = differentiate(mixed=True)(state, data())
  bias = grads["network"]["head"]["bias"]
  assert np.abs(bias).min() > 1e-4
  batch = {"x": data()["labelled"]["x"]}
  method = make(heads=2)
  logits = method.network.predict(method.variables(state), batch["x"])
  assert method.variables(state)["params"] is state.params["network"]
  np.testing.assert_array_equal(method.predict(state, batch), logits[:, :K])


def test_a_start_from_given_variables_keeps_them():
  example = {"x": jnp.zeros((1, 8, 8, 1))}
  given = network().init(jax.random.key(7), example["x"])
  state = make().init(jax.random.key(0), example, given)
  assert state.params["network"] is given["params"]
  chex.assert_trees_all_equal(state.params, state.extra["key"])
  shapes = jax.tree.map(jnp.shape, state.params["projector"])
  assert shapes == {"projection": {"bias": (DIM,), "kernel": (8, DIM)}}
  assert state.extra["queue"].shape == (K, SIZE, DIM)


@pytest.mark.parametrize(
    "options,message",
    (
        ({"temperature": 0.0}, "temperature must be > 0, got 0.0"),
        ({"queue_size": 0}, "queue_size must be >= 1, got 0"),
        ({"momentum": 1.1}, r"momentum must lie in \[0, 1\], got 1.1"),
        ({"momentum": -0.1}, r"momentum must lie in \[0, 1\], got -0.1"),
    ),
)
def test_an_option_out_of_range_is_a_named_error(options, message):
  with pytest.raises(ValueError, match=message):
    make(**options)


def parts(mixer, **options):
  return methods.Parts(
      network=lambda outputs: network(outputs // K), num_classes=K, mixer=mixer,
      guidance=mixers.guidance_of(mixer), loss=losses.decoupled_cross_entropy,
      total_steps=10, steps=lambda key, duration: 0, teacher=lambda name: None,
      **options,
  )


@pytest.mark.parametrize("mixer,heads", (("identity", 1), ("mixup", 2)))
def test_a_run_makes_heads_for_what_it_mixes(mixer, heads):
  mixer = functools.partial(getattr(mixers, mixer))
  method = methods.METHODS["self_tuning"](parts(mixer), dim=5, queue_size=4)
  example = {"x": jnp.zeros((1, 8, 8, 1))}
  state = jax.eval_shape(method.init, jax.random.key(0), example)
  assert state.params["network"]["head"]["bias"].shape == (heads * K,)
  assert state.extra["queue"].shape == (K, 4, 5)
  assert ("mixed images" in method.note) == (heads == 2)
  assert method.views["unlabelled"] == {"query": "strong", "key": "strong"}
  if heads == 2:
    mixed = jax.eval_shape(method.mixes, jax.random.key(0), data())
    assert [x.shape[0] for x in mixed.values()] == [ROWS, ROWS]


def test_a_run_sees_the_keys_of_all_devices():
  """Also where each device has batch statistics of its own."""
  method = methods.METHODS["self_tuning"](parts(mixers.identity), dim=DIM)
  example = {"x": jnp.zeros((1, 8, 8, 1))}
  state = jax.eval_shape(method.init, jax.random.key(0), example)
  traced = jax.make_jaxpr(method.loss, axis_env=[(parallel.AXIS, 4)])(
      state.params, state, data(), jax.random.key(0)
  )
  assert "all_gather" in str(traced)


@pytest.mark.parametrize(
    "mixer,options,message",
    (
        (mixers.puzzlemix, {}, "without guidance"),
        (mixers.identity, {"dim": 0}, "dim must be >= 1, got 0"),
        (mixers.identity, {"queue": 3}, "did you mean 'queue_size'"),
    ),
)
def test_what_a_run_cannot_have_is_a_named_error(mixer, options, message):
  with pytest.raises(ValueError, match=message):
    methods.METHODS["self_tuning"](parts(mixer), **options)

"""SAM and G-Mix: golden values, twins, and devices."""

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
from dmjax.train import step as step_lib
from tests import mixupe_test

LOSS = losses.mixup_cross_entropy
CLASSES, BATCH, COLUMNS = 4, 8, 6


def of_loss(loss):
  """A method that is a loss of parameters alone: `params -> scalar, [B]`."""

  def loss_fn(params, state, batch, key):
    del state, batch, key
    value, each = loss(params)
    metrics = {"loss": (value, 1.0)}
    return value, methods.Aux({}, metrics, losses=each)

  nothing = lambda *_: None
  return methods.Method(None, nothing, loss_fn, nothing, nothing, nothing)


def found_by(method, params):
  """Value, sharpness and gradient at some parameters."""
  step = jax.jit(jax.value_and_grad(
      lambda params: method.loss(params, None, None, None), has_aux=True
  ))
  (value, aux), grads = step(params)
  return value, aux.metrics["sharpness"][0], grads


def in_float32(read):
  floats = lambda x: np.float32(x) if x.dtype == np.float64 else x
  return {name: floats(value) for name, value in read.items()}


@mixupe_test.needs_golden
def test_a_step_on_a_quadratic_equals_the_reference():
  with np.load(mixupe_test.GOLDEN) as golden:
    read = {
        name.removeprefix("gmix_quadratic_"): golden[name]
        for name in golden.files if name.startswith("gmix_quadratic_")
    }
  read = in_float32(read)

  def quadratic(w):
    return 0.5 * w @ read["A"] @ w - read["b"] @ w, None

  method = methods.sharpness_aware(of_loss(quadratic), rho=float(read["rho"]))
  value, rise, grads = found_by(method, read["w"])
  np.testing.assert_allclose(value, read["loss_perturbed"], rtol=1e-5)
  np.testing.assert_allclose(
      rise, read["loss_perturbed"] - read["loss"], rtol=1e-4
  )
  np.testing.assert_allclose(grads, read["grad_perturbed"], rtol=1e-5)
  np.testing.assert_allclose(
      read["w"] - read["learning_rate"] * grads, read["w_after_step"], rtol=1e-5
  )


def golden_network():

  def predict(variables, x):
    p = variables["params"]
    return jax.nn.relu(x @ p["w0"] + p["b0"][None]) @ p["w1"] + p["b1"][None]

  def train(variables, x, key, *, hook=None, features=None):
    del key, hook, features
    return predict(variables, x), {}

  return models.Network(None, train, predict)


@mixupe_test.needs_golden
def test_gradients_around_mixup_equal_the_reference():
  with np.load(mixupe_test.GOLDEN) as golden:
    for read in map(in_float32, mixupe_test.cases(golden, "gmix_mlp")):
      params = {k: v for k, v in read.items() if k in ("w0", "b0", "w1", "b1")}
      mixer = functools.partial(
          mixers.mixup, lam=float(read["lam"]), partner=read["partner"]
      )
      method = methods.supervised(
          golden_network(), mixer, LOSS, guidance=mixers.needs()
      )
      wrapped = methods.sharpness_aware(method, rho=float(read["rho"]))
      state = methods.TrainState(jnp.int32(0), params, {})
      batch = {"x": jnp.asarray(read["x"]), "label": read["labels"]}
      (value, aux), grads = jax.jit(
          jax.value_and_grad(wrapped.loss, has_aux=True)
      )(params, state, batch, jax.random.key(0))
      np.testing.assert_allclose(
          value, read["loss_perturbed_per_sample"].mean(), rtol=1e-5
      )
      np.testing.assert_allclose(
          aux.losses, read["loss_per_sample"], rtol=1e-5
      )
      np.testing.assert_allclose(
          aux.metrics["sharpness"][0], read["sensitivity"].mean(), rtol=1e-3
      )
      for name, grad in grads.items():
        mixupe_test.check_gradient(grad, read[f"grad_perturbed_{name}"], 1e-5)


# A linear classifier of rows, whose losses a twin can write down.


def rows(seed=0):
  rng = np.random.default_rng(seed)
  return {
      "x": jnp.asarray(rng.normal(size=(BATCH, COLUMNS)), jnp.float32),
      "label": jnp.asarray(rng.integers(CLASSES, size=BATCH)),
  }


def linear(batch):
  """`params -> loss, losses` of a linear classifier."""

  def loss(params):
    logits = batch["x"] @ params["w"] + params["b"][None]
    each = optax.softmax_cross_entropy_with_integer_labels(
        logits, batch["label"]
    )
    return jnp.mean(each), each

  return loss


def parameters(seed=1):
  rng = np.random.default_rng(seed)
  return {
      "w": jnp.asarray(rng.normal(size=(COLUMNS, CLASSES)), jnp.float32),
      "b": jnp.asarray(rng.normal(size=CLASSES), jnp.float32),
  }


def test_the_step_equals_that_of_optax():
  loss, params = linear(rows()), parameters()
  adversary = optax.chain(optax.contrib.normalize(), optax.sgd(0.3))
  twin = optax.contrib.sam(optax.sgd(0.1), adversary, opaque_mode=True)
  of = jax.grad(lambda params: loss(params)[0])

  @jax.jit
  def step(params):
    updates, _ = twin.update(
        of(params), twin.init(params), params, grad_fn=lambda p, _: of(p)
    )
    return optax.apply_updates(params, updates)

  method = methods.sharpness_aware(of_loss(loss), rho=0.3)
  grads = found_by(method, params)[2]
  after = jax.tree.map(lambda p, g: p - 0.1 * g, params, grads)
  chex.assert_trees_all_close(after, step(params), rtol=1e-5)


def by_hand(params, batch, rho, share, kappa, split):
  """The gradient, of one example at a time, in NumPy."""

  def each(w, b):
    logits = np.float64(batch["x"]) @ w + b
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    error = p - np.eye(CLASSES)[batch["label"]]
    of_w = np.einsum("bd,bc->bdc", batch["x"], error)
    flat = np.concatenate([of_w.reshape(BATCH, -1), error], axis=1)
    return -np.log(p[np.arange(BATCH), batch["label"]]), flat

  w, b = np.float64(params["w"]), np.float64(params["b"])
  before, grads = each(w, b)
  mean = grads.mean(axis=0)
  e = rho * mean / np.sqrt((mean**2).sum())
  after, grads = each(w + e[:w.size].reshape(w.shape), b + e[w.size:])
  order = np.argsort(before - after)
  count = round(share * BATCH)
  plus, minus = (grads[i].mean(0) for i in (order[:count], order[count:]))
  if split == "binary":
    return plus
  return plus + kappa * (minus - minus @ plus / (plus @ plus) * plus)


@pytest.mark.parametrize("split", ("binary", "decomposed"))
def test_a_split_equals_the_examples_one_by_one(split):
  batch, params = rows(), parameters()
  options = {"rho": 0.4, "share": 0.375, "kappa": 0.7, "split": split}
  method = methods.sharpness_aware(of_loss(linear(batch)), **options)
  _, rise, grads = found_by(method, params)
  flat = np.concatenate([np.ravel(grads["w"]), grads["b"]])
  expected = by_hand(params, batch, **options)
  np.testing.assert_allclose(flat, expected, rtol=1e-4, atol=1e-6)
  whole = methods.sharpness_aware(of_loss(linear(batch)), rho=0.4)
  np.testing.assert_allclose(rise, found_by(whole, params)[1], rtol=1e-4)


def test_a_share_of_one_is_no_split():
  loss, params = linear(rows()), parameters()
  plain = methods.sharpness_aware(of_loss(loss), rho=0.4)
  expected = found_by(plain, params)
  for split in ("binary", "decomposed"):
    method = methods.sharpness_aware(
        of_loss(loss), rho=0.4, split=split, share=1.0
    )
    chex.assert_trees_all_close(found_by(method, params), expected, rtol=1e-5)


@pytest.mark.parametrize("split", ("none", "binary", "decomposed"))
def test_a_gradient_of_zero_moves_nothing(split):
  flat = lambda params: (0.0 * params["b"].sum(), 0.0 * params["b"])
  method = methods.sharpness_aware(of_loss(flat), split=split)
  found = found_by(method, parameters())
  for leaf in jax.tree.leaves(found):
    np.testing.assert_array_equal(leaf, jnp.zeros_like(leaf))


@functools.cache
def step_on(devices, split):
  """One step of gradient descent on so many devices; no draws in it."""
  network = models.create_network(
      "mlp", num_classes=CLASSES, mean=(), std=(), widths=(5,)
  )
  method = methods.sharpness_aware(
      methods.supervised(network, mixers.identity, LOSS),
      rho=0.5, split=split, share=0.25, axis_name=parallel.AXIS,
  )
  batch, optimizer = rows(), optax.sgd(0.1)
  state = step_lib.create_state(
      method, optimizer, jax.random.key(0), batch
  )
  step = step_lib.make_train_step(
      method, optimizer, lambda key, batch, shared: batch,
      schedule=lambda _: 0.1,
  )
  mapped = parallel.pmap(step, devices=jax.devices()[:devices])
  shards = jax.tree.map(
      lambda x: x.reshape(devices, 1, -1, *x.shape[1:]), batch
  )
  state, metrics = mapped(state, shards, {"seed": 0, "data": ()})
  means = jax.tree.map(lambda total, count: total[0] / count[0],
                       *zip(*metrics.values()))
  return state.params, dict(zip(metrics, means))


@pytest.mark.parametrize("split", ("none", "decomposed"))
def test_one_device_is_as_good_as_two(split):
  chex.assert_trees_all_close(
      step_on(1, split), step_on(2, split), rtol=1e-4, atol=1e-6
  )


def test_state_and_metrics_are_those_of_the_first_pass():
  network = models.create_network("resnet8", num_classes=3, widths=(2, 2, 2))
  method = methods.supervised(network, mixers.mixup, LOSS)
  wrapped = methods.sharpness_aware(method, rho=0.5)
  rng = np.random.default_rng(0)
  batch = {
      "x": jnp.asarray(rng.uniform(size=(4, 6, 6, 1)), jnp.float32),
      "label": jnp.asarray([0, 1, 2, 0]),
  }

  @jax.jit
  def both(key):
    state = method.init(key, batch)
    run = lambda method: method.loss(state.params, state, batch, key)
    return run(method), run(wrapped)

  (value, aux), (risen, found) = both(jax.random.key(0))
  chex.assert_trees_all_close(found.model_state, aux.model_state, rtol=1e-6)
  rise = found.metrics.pop("sharpness")[0]
  chex.assert_trees_all_close(found.metrics, aux.metrics, rtol=1e-6)
  np.testing.assert_allclose(rise, risen - value, rtol=1e-5)
  assert rise > 0
  assert "one extra forward and backward pass" in wrapped.note

"""FIXED: its loss written out, the reversal, devices, what it refuses."""

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
from dmjax.methods.reversal import reverse
from dmjax.models import bottleneck
from dmjax.train import step as step_lib
from tests import mixupe_test
from tests import step_test

CLASSES, DOMAINS, WIDTH, ROWS = 4, 3, 6, 8


def body(outputs, axis_name=None):
  """A linear layer, which returns its input where features are asked for."""
  del axis_name

  def init(key, x):
    kernel = jax.random.normal(key, (x[0].size, outputs)) / 4
    return {"params": {"head": {"kernel": kernel}}}

  def predict(variables, x, *, hook=None, features=None):
    del hook
    out = x.reshape(len(x), -1) @ variables["params"]["head"]["kernel"]
    return (out, x) if features else out

  def train(variables, x, key, **options):
    del key
    return predict(variables, x, **options), {}

  return models.Network(init, train, predict)


def neighbours(key, x, lam=0.3):
  """The same pairs however the batch is split over devices."""
  del key
  partner = jnp.arange(x.shape[0]) ^ 1
  return mixers.mixup(jax.random.key(0), x, partner=partner, lam=lam)


def parts_of(mixer=neighbours, num_domains=DOMAINS, axis_name=None, **changes):
  parts = methods.Parts(
      functools.partial(body, axis_name=axis_name), CLASSES, mixer,
      mixers.needs(), losses.mixup_cross_entropy, 10, None, None,
      axis_name=axis_name, num_domains=num_domains,
  )
  return parts._replace(**changes)


def make(name="fixed", axis_name=None, parts=None, **options):
  options = {"width": WIDTH, "hidden": 5} | options
  parts = parts or parts_of(axis_name=axis_name)
  if name == "fixed":
    options = {"margin": 2.0} | options
  return methods.METHODS[name](parts, **options)


def data(seed=0):
  rng = np.random.default_rng(seed)
  draw = lambda count: rng.integers(count, size=ROWS).astype(np.int32)
  x = rng.uniform(size=(ROWS, 4, 4, 1)).astype(np.float32)
  return {"x": x, "label": draw(CLASSES), "domain": draw(DOMAINS)}


@functools.cache
def state_of(reversal=0.5):
  """A first state without a parameter that is zero."""
  state = jax.jit(make(reversal=reversal).init)(jax.random.key(0), data())
  noise = optax.tree.random_like(jax.random.key(1), state.params)
  add = lambda p, n: p + 0.3 * n
  return state.replace(params=jax.tree.map(add, state.params, noise))


def run(method, state, batch):
  step = jax.jit(jax.value_and_grad(method.loss, has_aux=True))
  (loss, aux), grads = step(state.params, state, batch, jax.random.key(2))
  return loss, aux, grads


def features(state, batch):
  """z in training mode, and logits of it, by the network of the method."""
  (_, z), _ = make().network.train(
      {"params": state.params["network"], **state.model_state["network"]},
      batch["x"], jax.random.key(0), features=bottleneck.NAME,
  )
  return np.float64(z)


def dense(x, layer):
  return x @ layer["kernel"] + layer["bias"]


def normed(x, layer):
  x = (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5)
  return x * layer["scale"] + layer["bias"]


def cross_entropy(logits, labels):
  logits = logits - logits.max(1, keepdims=True)
  log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
  return -log_p[np.arange(len(labels)), labels]


def test_fix_is_cross_entropy_of_mixed_features_and_of_domains():
  state, batch = state_of(), data()
  loss, aux, _ = run(make("fix", reversal=0.5), state, batch)
  z, params = features(state, batch), jax.device_get(state.params)
  partner = np.arange(ROWS) ^ 1
  top = params["network"]["bottleneck"]["classifier"]
  logits = dense(0.3 * z + 0.7 * z[partner], top)
  label = batch["label"]
  expected = 0.3 * cross_entropy(logits, label)
  expected += 0.7 * cross_entropy(logits, label[partner])
  head, told = params["domain_head"], z  # Features as they are, not mixed.
  for layer in range(2):
    told = normed(dense(told, head[f"dense{layer}"]), head[f"norm{layer}"])
    told = np.maximum(told, 0)
  told = dense(told, head["head"])
  expected += cross_entropy(told, batch["domain"])
  np.testing.assert_allclose(loss, expected.mean(), rtol=1e-4)
  np.testing.assert_allclose(aux.losses, expected, rtol=1e-3)
  hits = np.sum(told.argmax(1) == batch["domain"])
  assert aux.metrics["domain_accuracy"] == (hits, ROWS)


def test_fixed_has_the_large_margin_of_mixed_features():
  state, batch = state_of(), data()
  loss = run(make(reversal=0.0), state, batch)[0]  # Without a domain head.
  z, params = features(state, batch), jax.device_get(state.params)
  partner, top = np.arange(ROWS) ^ 1, params["network"]["bottleneck"]
  logits = dense(0.3 * z + 0.7 * z[partner], top["classifier"])
  pairs = np.stack([batch["label"], batch["label"][partner]], axis=1)
  expected = losses.large_margin(
      np.float32(logits), pairs, np.tile([0.3, 0.7], (ROWS, 1)), margin=2.0,
      kernel=top["classifier"]["kernel"],
  )
  np.testing.assert_allclose(loss, expected.mean(), rtol=1e-4)


def test_the_reversal_turns_the_gradient_of_the_features_alone():
  state, batch = state_of(), data()
  of = lambda reversal: run(make("fix", reversal=reversal), state, batch)[2]
  none, half, whole = of(1e-30), of(0.5), of(1.0)
  assert optax.global_norm(none["domain_head"]) > 0
  chex.assert_trees_all_close(
      half["domain_head"], none["domain_head"], atol=1e-5
  )
  # The part of the domain head is proportional to it.
  scaled = lambda a, b: 2 * (b - a)
  chex.assert_trees_all_close(
      jax.tree.map(scaled, none["network"], half["network"]),
      jax.tree.map(jnp.subtract, whole["network"], none["network"]),
      atol=1e-5,
  )


def test_reversed_gradients_are_those_of_minus_the_loss():
  x = jnp.asarray(np.random.default_rng(0).normal(size=(4, 3)), jnp.float32)
  head = lambda x: jnp.sum(jnp.sin(x) ** 2)
  loss, grad = jax.value_and_grad(lambda x: head(reverse(x, 0.3)))(x)
  np.testing.assert_allclose(loss, head(x), rtol=1e-6)
  np.testing.assert_allclose(grad, -0.3 * jax.grad(head)(x), rtol=1e-5)
  assert reverse(x, 0.3) is x


@mixupe_test.needs_golden
def test_gradients_with_a_linear_domain_head_equal_the_reference():
  with np.load(mixupe_test.GOLDEN) as golden, jax.enable_x64(True):
    for read in mixupe_test.cases(golden, "fixed"):

      def of_domains(z, kernel):
        told = reverse(z, float(read["reversal"])) @ kernel
        told += read["domain_b"][None]
        each = optax.softmax_cross_entropy_with_integer_labels(
            told, read["domain_labels"]
        )
        return jnp.mean(each)

      loss, (of_z, of_kernel) = jax.value_and_grad(of_domains, (0, 1))(
          jnp.asarray(read["z"]), jnp.asarray(read["domain_w"])
      )
      np.testing.assert_allclose(loss, read["domain_loss"], rtol=1e-10)
      np.testing.assert_allclose(of_kernel, read["grad_domain_w"], atol=1e-12)
      np.testing.assert_allclose(
          read["grad_z"] + of_z, read["grad_z_with_domain"], atol=1e-12
      )


def test_without_mixing_and_domain_head_it_is_plain_training():
  parts = parts_of(mixers.identity, num_domains=0)
  method = make("fix", parts=parts, reversal=0.0)
  state, batch = state_of(), data()
  loss, _, grads = run(method, state, batch)
  z, params = features(state, batch), jax.device_get(state.params)
  logits = dense(z, params["network"]["bottleneck"]["classifier"])
  expected = cross_entropy(logits, batch["label"]).mean()
  np.testing.assert_allclose(loss, expected, rtol=1e-4)
  assert not optax.global_norm(grads["domain_head"])
  assert "domain_head" not in method.init(jax.random.key(0), batch).params


def test_what_predicts_are_features_with_running_statistics():
  state, batch = state_of(), data()
  method = make()
  logits, z = method.network.predict(
      method.variables(state), batch["x"], features=bottleneck.NAME
  )
  np.testing.assert_array_equal(logits, method.predict(state, batch))
  top = jax.device_get(state.params["network"]["bottleneck"]["classifier"])
  np.testing.assert_allclose(logits, dense(np.asarray(z), top), atol=1e-5)
  _, maps = method.network.predict(
      method.variables(state), batch["x"], features="stage1"
  )
  np.testing.assert_array_equal(maps, batch["x"])  # Those of the body.


def test_variables_of_a_network_without_a_bottleneck_are_a_start():
  old = body(WIDTH).init(jax.random.key(5), data()["x"][:1])
  state = make().init(jax.random.key(0), data(), old)
  chex.assert_trees_all_equal(
      {k: state.params["network"][k] for k in old["params"]}, old["params"]
  )
  assert "bottleneck" in state.params["network"]


def test_one_device_and_two_give_the_same_gradients():
  method = make(axis_name=parallel.AXIS)
  step = step_lib.make_train_step(
      method, optax.sgd(1.0), lambda key, batch, shared: batch,
      schedule=optax.constant_schedule(1.0),
  )
  state = state_of().replace(opt_state=optax.sgd(1.0).init(state_of().params))
  batch = jax.tree.map(lambda x: x[None], data())
  one, one_metrics = step_test.on_devices(step, state, batch, 1)
  two, two_metrics = step_test.on_devices(step, state, batch, 2)
  chex.assert_trees_all_close(one.params, two.params, atol=1e-4)
  chex.assert_trees_all_close(one.model_state, two.model_state, atol=1e-5)
  chex.assert_trees_all_close(one_metrics, two_metrics, rtol=1e-4)


@pytest.mark.parametrize("options,match", (
    ({"parts": parts_of(num_domains=0)}, "'fixed' needs training data of two"),
    ({"parts": parts_of(num_domains=1)}, "two domains or more, got one domain"),
    ({"reversal": -0.1}, "reversal must be >= 0"),
    ({"top_k": 4}, r"top_k must lie in \[1, 3\]"),
    ({"width": 0}, "width must be >= 1, got 0"),
    ({"revrsal": 0.1}, "no option 'revrsal'; did you mean 'reversal'"),
    ({"parts": parts_of(guidance=mixers.needs("saliency"))}, "such as 'mixup'"),
))
def test_what_does_not_fit_is_refused(options, match):
  with pytest.raises(ValueError, match=match):
    make(**options)

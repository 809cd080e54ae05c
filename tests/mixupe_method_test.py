"""MixupE as a method: golden values, twins, any mixer and any loss."""

import functools

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import losses
from dmjax import methods
from dmjax import mixers
from dmjax import models
from tests import mixupe_properties_test as properties
from tests import mixupe_test

LOSS = losses.mixup_cross_entropy
CLASSES, BATCH, SIDE = 5, 8, 6


class Tiny(nn.Module):
  """A convolution, batch norm unless switched off, and a head."""

  norm: bool = True
  axis_name: str | None = None

  @nn.compact
  def __call__(self, x, *, train, hook=None, features=None):
    hook = hook or (lambda stage, x: x)
    x = nn.Conv(4, (3, 3))(hook(0, x))
    if self.norm:
      x = nn.BatchNorm(
          use_running_average=not train, momentum=0.9, axis_name=self.axis_name
      )(x)
    x = hook(1, jnp.tanh(x))
    logits = nn.Dense(CLASSES)(x.reshape(x.shape[0], -1))
    return (logits, x) if features else logits


def tiny(**options):
  return models.of_linen(Tiny(**options), mean=(0.3,), std=(0.4,))


def batch(seed=0):
  rng = np.random.default_rng(seed)
  x = rng.uniform(size=(BATCH, SIDE, SIDE, 1))
  return {
      "x": jnp.asarray(x, jnp.float32),
      "label": jnp.asarray(rng.integers(CLASSES, size=BATCH)),
  }


def state_of(method, step=0):
  state = jax.jit(method.init)(jax.random.key(0), batch())
  return state.replace(step=jnp.int32(step))


def run(method, state, data, seed=1):
  """Loss, aux and gradient, of a method without devices."""
  step = jax.jit(jax.value_and_grad(method.loss, has_aux=True))
  (loss, aux), grads = step(state.params, state, data, jax.random.key(seed))
  return loss, aux, grads


def keys(seed=1):
  """Of the mixed pass, and of the clean one."""
  return jax.random.split(jax.random.key(seed))


# The golden networks: rows times matrices, a stage after the first ReLU.


def golden_network():

  def predict(variables, x, hook=lambda stage, h: h):
    params = variables["params"]
    h = hook(0, x)
    for layer in range(3):
      h = h @ params[f"w{layer}"] + params[f"b{layer}"][None]
      h = jax.nn.relu(h) if layer < 2 else h
      h = hook(1, h) if layer == 0 else h
    return h

  def train(variables, x, key, *, hook=None, features=None):
    del key, features
    return predict(variables, x, *filter(None, [hook])), {}

  return models.Network(None, train, predict)


def golden_state(read):
  """Long after the start, so that the running mean is that of the file."""
  read = {
      k: jnp.float32(v) if v.dtype == np.float64 else v for k, v in read.items()
  }
  params = {k: v for k, v in read.items() if k[0] in "wb" and len(k) == 2}
  extra = {"mean": read["x_mean"]} if "x_mean" in read else None
  state = methods.TrainState(jnp.int32(2**30), params, {}, extra=extra)
  return state, {"x": read["x"], "label": read["labels"]}


def check_golden(found, read, suffix):
  loss, _, grads = found
  np.testing.assert_allclose(loss, read[f"final{suffix}"], rtol=1e-5)
  for name, grad in grads.items():
    mixupe_test.check_gradient(grad, read[f"grad_{name}{suffix}"], 1e-5)


@mixupe_test.needs_golden
@pytest.mark.parametrize("variant", losses.MIXUPE_VARIANTS)
def test_loss_and_gradients_equal_the_reference(variant):
  with np.load(mixupe_test.GOLDEN) as golden:
    read = next(mixupe_test.cases(golden, "jac_biased_relu"))
  name = mixupe_test.GOLDEN_NAMES[variant]
  mixer = functools.partial(
      mixers.mixup, lam=float(read["lam"]), partner=read["partner"],
      alpha=float(read["alpha"]),
  )
  method = methods.mixupe(
      golden_network(), mixer, LOSS, variant=variant, eta=float(read["eta"]),
      tau=float(read.get(f"tau_{name}", 1)),
  )
  check_golden(run(method, *golden_state(read)), read, f"_{name}")


def softmax_bce(logits, labels, weights):
  """Binary cross-entropy of the softmax, the loss of the hidden branch."""
  target = losses.soft_labels(labels, weights, logits.shape[1])
  p = jax.nn.softmax(logits)
  bce = -target * jnp.log(p) - (1 - target) * jnp.log1p(-p)
  return jnp.mean(bce, axis=1)


@mixupe_test.needs_golden
def test_hidden_mixing_with_the_detached_form_equals_the_reference():
  with np.load(mixupe_test.GOLDEN) as golden:
    read = next(mixupe_test.cases(golden, "hidden"))
  mixer = functools.partial(
      mixers.manifold_mixup, lam=float(read["lam"]), partner=read["partner"],
      alpha=float(read["alpha"]), stages=(1,),
  )
  method = methods.mixupe(
      golden_network(), mixer, softmax_bce, variant="detached",
      eta=float(read["eta"]),
  )
  check_golden(run(method, *golden_state(read)), read, "")


MIXERS = {
    "mixup": functools.partial(mixers.mixup, alpha=0.4, per_batch=True),
    "saliencymix": mixers.saliencymix,
    "manifold_mixup": functools.partial(mixers.manifold_mixup, stages=(0, 1)),
}
DECOUPLED = functools.partial(losses.decoupled_cross_entropy, eta=0.3)


@pytest.mark.parametrize("name,loss,alpha", (
    ("mixup", DECOUPLED, 0.4), ("saliencymix", LOSS, 1.0),
    ("manifold_mixup", LOSS, 2.0),
))
def test_the_loss_is_that_of_the_mixer_and_the_term_of_clean_images(
    name, loss, alpha
):
  """Without batch norm, so that evaluation tells the clean logits."""
  data, eta = batch(), 0.5
  method = methods.mixupe(
      tiny(norm=False), MIXERS[name], loss, eta=eta, rescale=False,
      variant="speech",
  )
  mixed = methods.supervised(tiny(norm=False), MIXERS[name], loss)
  state = state_of(mixed)

  @jax.jit
  def both():
    found = method.loss(state.params, state, data, jax.random.key(1))
    return found, mixed.loss(state.params, state, data, keys()[0])

  (found, aux), (expected, mixed_aux) = both()
  logits = np.asarray(mixed.predict(state, data), np.float64)
  terms = properties.terms_by_hand("speech", logits, data["label"], 0, None)
  expected += eta * alpha / (2 * alpha + 1) * np.mean(terms)
  np.testing.assert_allclose(found, expected, rtol=1e-5)
  total, count = aux.metrics["regulariser"]
  np.testing.assert_allclose(total, np.sum(terms), rtol=1e-4)
  assert count == BATCH
  total, count = aux.metrics["loss"]
  np.testing.assert_allclose(total / count, found, rtol=1e-6)
  assert aux.metrics["accuracy"] == mixed_aux.metrics["accuracy"]


CHOICE = functools.partial(mixers.choose, mixers=(mixers.mixup, mixers.cutmix))


@pytest.mark.parametrize("mixer", (
    CHOICE, mixers.cutmix, functools.partial(mixers.puzzlemix, blocks=2),
    functools.partial(mixers.alignmix, stages=(1,)),
))
def test_any_mixer_will_do(mixer):
  """Traced alone."""
  method = methods.mixupe(
      tiny(), mixer, DECOUPLED, variant="absolute", alpha=1.0
  )
  state = jax.eval_shape(method.init, jax.random.key(0), batch())
  loss, aux = jax.eval_shape(
      method.loss, state.params, state, batch(), jax.random.key(0)
  )
  assert loss.shape == () and aux.carried.shape == (1, SIDE, SIDE, 1)


def twin(params, state, data, statistics, variant, eta, mean):
  """The step on the network with batch norm, from one Jacobian a row pair."""
  module, (mix_key, _) = Tiny(), jax.random.split(keys()[0])
  seen = lambda x: (x - 0.3) / 0.4
  mixed = mixers.mixup(mix_key, data["x"])

  def train(x, model_state):
    return module.apply(
        {"params": params, **model_state}, seen(x), train=True,
        mutable=["batch_stats"],
    )

  logits, first = train(mixed.x, state.model_state)
  one_hot = jnp.eye(CLASSES)[data["label"]]
  target = jnp.einsum("bk,bkc->bc", mixed.weights, one_hot[mixed.sources])
  mixup = -jnp.sum(target * jax.nn.log_softmax(logits)) / BATCH
  clean, second = train(data["x"], first)
  error = one_hot - jax.nn.softmax(clean)
  if variant == "fast":
    margin = jnp.sum(clean * error, axis=1)
    terms = -margin * (margin < 1.0)
  else:
    # Every row of logits by every row of images.
    jacobian = jax.jacrev(lambda x: train(x, first)[0])(data["x"])
    slopes = jnp.einsum("bcrhwd,rhwd->bc", jacobian, mean[None] - data["x"])
    terms = jnp.abs(jnp.sum(jax.lax.stop_gradient(error) * slopes, axis=1))
  total = mixup + eta / 3 * jnp.mean(terms)
  total *= jax.lax.stop_gradient(mixup / total)
  return total, second if statistics == "both" else first


@pytest.mark.parametrize("statistics,variant", (
    ("both", "fast"), ("mixed", "absolute"),
))
def test_the_step_equals_the_twin_with_batch_norm(statistics, variant):
  method = methods.mixupe(
      tiny(), mixers.mixup, LOSS, variant=variant, eta=0.4,
      statistics=statistics,
  )
  state, data = state_of(method, step=3), batch()
  mean = None
  if variant == "absolute":
    before = jnp.full(data["x"].shape[1:], 0.2)
    state = state.replace(extra={"mean": before})
    mean = 0.75 * before + 0.25 * data["x"].mean(axis=0)  # The fourth batch.
  loss, aux, grads = run(method, state, data)
  of_params = functools.partial(
      twin, state=state, data=data, statistics=statistics, variant=variant,
      eta=0.4, mean=mean,
  )
  (expected, model_state), expected_grads = jax.jit(
      jax.value_and_grad(of_params, has_aux=True)
  )(state.params)
  np.testing.assert_allclose(loss, expected, rtol=1e-5)
  chex.assert_trees_all_close(grads, expected_grads, rtol=1e-3, atol=1e-5)
  chex.assert_trees_all_close(aux.model_state, model_state, rtol=1e-5)
  if variant == "absolute":
    after = method.after_update(state, aux.carried)
    np.testing.assert_allclose(after.extra["mean"], mean, rtol=1e-5)


def test_without_eta_it_is_supervised_training():
  plain = methods.supervised(tiny(), mixers.mixup, DECOUPLED)
  method = methods.mixupe(
      tiny(), mixers.mixup, DECOUPLED, variant="absolute", eta=0.0
  )
  data, state = batch(), state_of(method)
  found, aux, grads = run(method, state, data)
  (expected, plain_aux), plain_grads = jax.jit(
      jax.value_and_grad(plain.loss, has_aux=True)
  )(state.params, state, data, keys()[0])
  np.testing.assert_allclose(found, expected, rtol=1e-6)
  chex.assert_trees_all_close(grads, plain_grads, rtol=1e-5, atol=1e-7)
  chex.assert_trees_all_close(aux.model_state, plain_aux.model_state, rtol=1e-6)

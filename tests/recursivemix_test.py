"""RecursiveMix beside a recursion in NumPy, over devices, and resumed."""

import functools

import chex
import flax.linen as nn
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
from dmjax import recipes
from dmjax.methods.recursivemix import paste
from dmjax.models import layers
from dmjax.train import checkpoint
from dmjax.train import loop
from dmjax.train import run as run_lib
from dmjax.train import step as step_lib
from tests import step_test
from tests import tiny_config
from tests.train_test import assert_same_state
from tests.train_test import stop_at

LOSS = losses.mixup_cross_entropy
CLASSES, BATCH, SIDE = 5, 8, 6


class Tiny(nn.Module):
  """A convolution of stride 2, a mean and a head; no batch norm."""

  @nn.compact
  def __call__(self, x, *, train, hook=None, features=None):
    hook = hook or layers.no_hook
    x = hook(1, jnp.tanh(nn.Conv(4, (3, 3), (2, 2))(hook(0, x))))
    return layers.answer(
        layers.pool_and_head(x, CLASSES), {"stage1": x}, features
    )


def make(mixer=mixers.cutmix, **options):
  options = {"num_classes": CLASSES, "batch_size": BATCH, **options}
  return methods.recursivemix(models.of_linen(Tiny()), mixer, LOSS, **options)


def batch(step):
  """Images whose grey says the step they are of."""
  rng = np.random.default_rng(step)
  x = np.full((BATCH, SIDE, SIDE, 1), 0.1 * (step + 1), np.float32)
  return {"x": x, "label": rng.integers(CLASSES, size=BATCH)}


def steps(method, count=4):
  """What is remembered after each step, without learning."""
  state = jax.jit(method.init)(jax.random.key(0), batch(0))
  loss, found = jax.jit(method.loss), []
  for step in range(count):
    state = state.replace(step=jnp.int32(step))
    key = jax.random.key(step)
    total, aux = loss(state.params, state, batch(step), key)
    found.append((state, total, aux))
    state = method.after_update(state, aux.carried)
  return found


@functools.cache
def recursion():
  return jax.device_get(steps(make()))


def test_labels_equal_an_unrolled_recursion():
  expected = None
  for step, (_, _, aux) in enumerate(recursion()):
    now = np.eye(CLASSES)[batch(step)["label"]]
    own = np.isclose(aux.carried["x"], 0.1 * (step + 1)).mean((1, 2, 3))
    if step == 0:
      assert np.all(own == 1)  # Nothing is remembered yet.
      expected = now
    own = own[:, None]
    expected = own * now + (1 - own) * expected
    np.testing.assert_allclose(aux.carried["label"], expected, atol=1e-6)
    assert step == 0 or own.min() < 0.9
  # Labels of three batches at least are in some image.
  assert np.any((expected > 0).sum(1) >= 3)


def test_what_is_pasted_is_the_mixed_image_of_the_last_step():
  for step, (state, _, aux) in enumerate(recursion()[1:], 1):
    found, before = aux.carried["x"], state.extra["memory"]["x"]
    own = np.isclose(found, 0.1 * (step + 1))
    np.testing.assert_array_equal(found[~own], before[~own])
    share = 1 - own.mean((1, 2, 3))
    assert share.max() <= 0.5  # alpha.


def test_each_row_is_mixed_with_the_same_row_of_the_other_batch():
  x, before = (
      jax.random.uniform(jax.random.key(i), (3, SIDE, SIDE, 1)) for i in (1, 2)
  )
  mix = functools.partial(mixers.mixup, jax.random.key(0))
  share = jnp.array([0.0, 0.25, 1.0])
  mixed = jax.jit(functools.partial(paste, mix))(
      x, before, share
  )
  weight = share.reshape(3, 1, 1, 1)
  expected = (1 - weight) * x + weight * before
  np.testing.assert_allclose(mixed.x, expected, atol=1e-6)
  np.testing.assert_array_equal(mixed.sources, [[0, 3], [1, 4], [2, 5]])


def test_the_region_agrees_with_what_was_predicted_of_it():
  """In NumPy: mean features of the box, head, KL from the last logits."""
  state, total, aux = recursion()[2]
  rows = {"params": state.params}, aux.carried["x"]
  see = functools.partial(models.of_linen(Tiny()).predict, features="stage1")
  logits, maps = jax.device_get(jax.jit(see)(*rows))
  pasted = ~np.isclose(aux.carried["x"][..., 0], 0.3)
  cells = pasted.reshape(BATCH, 3, 2, 3, 2).mean((2, 4))
  share, head = pasted.mean((1, 2)), state.params["head"]
  before = np.asarray(
      jax.nn.softmax(state.extra["memory"]["logits"]), np.float64
  )
  terms = []
  for row in range(BATCH):
    area = max(cells[row].sum(), 1e-6)
    pooled = (maps[row] * cells[row][..., None]).sum((0, 1)) / area
    region = pooled @ head["kernel"] + head["bias"]
    log_q = region - np.log(np.exp(region).sum())
    terms.append(share[row] * before[row] @ (np.log(before[row]) - log_q))
  label = aux.carried["label"]
  log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
  expected = -(label * log_p).sum(1) + 0.1 * np.array(terms)
  np.testing.assert_allclose(aux.losses, expected, rtol=1e-4)
  np.testing.assert_allclose(total, expected.mean(), rtol=1e-4)
  consistency, count = aux.metrics["consistency"]
  assert count == BATCH and consistency > 0
  np.testing.assert_allclose(consistency, np.sum(terms), rtol=1e-3, atol=1e-6)


def by_pixels(key, x, *, partner, lam):
  """The mixed batch is the same however it is split over devices."""
  del key
  share = jnp.where(lam < 1, 0.3 + 0.4 * jnp.mean(x, axis=(1, 2, 3)), 1.0)
  mixed = mixers.mixup(jax.random.key(0), x, partner=partner, lam=share)
  half = jnp.broadcast_to(jnp.arange(SIDE)[None] < 3, x.shape[:2])
  mask = jnp.broadcast_to(half[:, :, None, None], (*x.shape[:3], 1))
  return mixed._replace(mask=mask.astype(jnp.float32))


def test_one_device_and_two_give_the_same_gradients_and_memory():
  method = make(
      by_pixels, guidance=mixers.needs(), axis_name=parallel.AXIS, weight=1.0
  )
  example = {"x": batch(0)["x"][:1]}
  state = step_lib.create_state(
      method, optax.sgd(1.0), jax.random.key(0), example
  )
  step = step_lib.make_train_step(
      method, optax.sgd(1.0), lambda key, batch, shared: batch,
      schedule=optax.constant_schedule(1.0), steps=3,
  )
  rng = np.random.default_rng(0)
  batches = [
      batch(i) | {"x": np.float32(rng.uniform(size=batch(0)["x"].shape))}
      for i in range(3)
  ]
  stacked = jax.tree.map(lambda *rows: np.stack(rows), *batches)
  (one, metrics), (two, others) = (
      step_test.on_devices(step, state, stacked, count) for count in (1, 2)
  )
  chex.assert_trees_all_close(one.params, two.params, atol=1e-5)
  chex.assert_trees_all_close(one.extra, two.extra, atol=1e-5)
  chex.assert_trees_all_close(metrics, others, rtol=1e-4)
  assert one.extra["memory"]["x"].shape == (BATCH, SIDE, SIDE, 1)


def test_a_decoupled_term_is_of_the_most_likely_class_of_either():
  logits = jax.random.normal(jax.random.key(0), (1, CLASSES))
  soft = jnp.array([[[0.7, 0.3, 0, 0, 0], [0, 0.1, 0.9, 0, 0]]])
  weights = jnp.array([[0.6, 0.4]])

  @jax.jit
  def terms(labels):
    decoupled = losses.decoupled_cross_entropy(logits, labels, weights)
    return decoupled - LOSS(logits, labels, weights)

  hard = terms(jnp.array([[0, 2]]))
  assert hard > 0.01
  np.testing.assert_allclose(terms(soft), hard, rtol=1e-4)


@pytest.mark.parametrize("mixer,options,words", (
    (mixers.cutmix, {"alpha": 0.0}, r"alpha must lie in \(0, 1\], got 0"),
    (mixers.cutmix, {"weight": -1.0}, "weight must be >= 0"),
    (mixers.saliencymix, {}, "needs a mixer of inputs .* such as 'resizemix'"),
    (mixers.manifold_mixup, {}, "needs a mixer of inputs"),
    (mixers.identity, {}, "needs a mixer of inputs"),
))
def test_what_does_not_fit_is_named(mixer, options, words):
  with pytest.raises(ValueError, match=words):
    make(mixer, **options)


def test_a_region_needs_a_mixer_that_pastes():
  method = make(mixers.mixup)
  state = jax.eval_shape(method.init, jax.random.key(0), batch(0))
  trace = functools.partial(jax.eval_shape, method.loss, state.params, state)
  with pytest.raises(ValueError, match="a mixer that pastes,.* weight=0"):
    trace(batch(0), jax.random.key(0))


@pytest.mark.usefixtures("without_pictures")
def test_a_run_that_is_stopped_goes_on_bit_for_bit(tmp_path, monkeypatch):
  config = tiny_config.get_config()
  words = recipes.load("digits:resnet8,recursivemix,dm")
  config.total, config.method, config.mix = "8 steps", words.method, words.mix
  whole, parts = tmp_path / "whole", tmp_path / "parts"
  loop.train(config, whole)
  with monkeypatch.context() as patch:
    patch.setattr(loop.signals, "asked_to_stop", stop_at(4))
    assert loop.train(config, parts).step == 4
  memory = run_lib.load(parts)[1].extra["memory"]
  assert memory["x"].shape == (32, 8, 8, 1) and np.any(memory["label"])
  assert loop.train(config, parts).finished
  assert checkpoint.steps_of(parts)[0] == 8
  assert_same_state(whole, parts)

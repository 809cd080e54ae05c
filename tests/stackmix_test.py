"""StackMix: stacked images, the labels of the stack, and what is predicted."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import losses
from dmjax import methods
from dmjax import mixers
from dmjax import models
from dmjax import recipes
from dmjax.methods.stackmix import stacked
from dmjax.train import run as run_lib
from tests.recursivemix_test import batch
from tests.recursivemix_test import CLASSES
from tests.recursivemix_test import SIDE
from tests.recursivemix_test import Tiny

KEY = jax.random.key(0)
LOSS = losses.mixup_cross_entropy


def images(count=6):
  return jax.random.uniform(jax.random.key(1), (count, SIDE, SIDE, 1))


@functools.cache
def trained():
  method = methods.stackmix(models.of_linen(Tiny()), mixers.identity, LOSS)
  return method, jax.jit(method.init)(KEY, {"x": images()})


def test_what_is_predicted_is_the_network_on_the_image_above_itself():
  method, state = trained()
  x = images()
  tall = np.concatenate([x, x], axis=1)
  assert tall.shape == (6, 2 * SIDE, SIDE, 1)
  plain = jax.jit(models.of_linen(Tiny()).predict)
  expected = plain(method.variables(state), tall)
  found = jax.jit(method.predict)(state, {"x": x})
  np.testing.assert_allclose(found, expected, atol=1e-6)
  again = jax.jit(method.network.predict)(method.variables(state), x)
  np.testing.assert_allclose(again, expected, atol=1e-6)


def test_a_stack_shows_both_images_and_has_half_of_either_label():
  x = images()
  mixed = jax.jit(stacked(mixers.identity))(KEY, x)
  sources, weights = np.asarray(mixed.sources), np.asarray(mixed.weights)
  np.testing.assert_array_equal(sources[:, 0], np.arange(6))
  assert np.all(sources[:, 1] != np.arange(6))
  expected = np.concatenate([x, x[sources[:, 1]]], axis=1)
  np.testing.assert_array_equal(mixed.x, expected)
  np.testing.assert_array_equal(weights, [[0.5, 0.5, 0, 0]] * 6)


def test_what_is_mixed_after_stacking_has_the_labels_of_four():
  x = images()
  mixer = functools.partial(mixers.mixup, lam=0.7)
  mixed = jax.jit(stacked(mixer))(KEY, x)
  values, sources = np.asarray(x), np.asarray(mixed.sources)
  np.testing.assert_allclose(mixed.weights, [[0.35, 0.35, 0.15, 0.15]] * 6)
  stack = lambda a, b: np.concatenate([values[a], values[b]], axis=1)
  expected = 0.7 * stack(*sources.T[:2]) + 0.3 * stack(*sources.T[2:])
  np.testing.assert_allclose(mixed.x, expected, atol=1e-6)


def test_the_loss_is_that_of_the_stack_and_trains_what_predicts():
  method, state = trained()
  data = {"x": images(8), "label": batch(0)["label"]}
  loss, aux = jax.jit(method.loss)(state.params, state, data, KEY)
  mix_key, _ = jax.random.split(KEY)
  mixed = stacked(mixers.identity)(mix_key, data["x"])
  logits = jax.jit(models.of_linen(Tiny()).predict)(
      {"params": state.params}, mixed.x
  )
  log_p = np.asarray(jax.nn.log_softmax(logits))
  rows, other = np.arange(8), np.asarray(mixed.sources[:, 1])
  labels = np.asarray(data["label"])
  expected = -(log_p[rows, labels] + log_p[rows, labels[other]]) / 2
  np.testing.assert_allclose(loss, expected.mean(), rtol=1e-5)
  assert aux.metrics["loss"][1] == 8


def test_a_transformer_has_positions_for_both():
  network = models.create_network(
      "deit_tiny", num_classes=CLASSES, patch=2, width=8, depth=1, heads=2
  )
  method = methods.stackmix(network, mixers.identity, LOSS)
  state = jax.eval_shape(method.init, KEY, {"x": images()})
  assert state.params["pos_embed"].shape == (1, 1 + 2 * 9, 8)
  logits = jax.eval_shape(method.predict, state, {"x": images()})
  assert logits.shape == (6, CLASSES)


@pytest.mark.parametrize(
    "mixer", (mixers.puzzlemix, mixers.transmix, mixers.manifold_mixup)
)
def test_guided_mixers_are_refused(mixer):
  with pytest.raises(ValueError, match="no guidance is known: take a mixer"):
    methods.stackmix(models.of_linen(Tiny()), mixer, LOSS)


def test_rows_of_a_table_are_refused():
  method, _ = trained()
  with pytest.raises(ValueError, match=r"for images .* shape \(1, 3\)"):
    jax.eval_shape(method.init, KEY, {"x": jnp.ones((2, 3))})


def test_another_mixer_is_named_beside_it():
  config = recipes.load("digits:resnet8,stackmix,dm,smoke")
  config.mix = {"name": "cutmix", "alpha": 1.0}
  run = run_lib.assemble(config)
  assert run.method.note == "images of twice the height"

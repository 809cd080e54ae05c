"""The multilayer perceptron."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import models

X = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)


@functools.cache
def small(**options):
  """A network of two layers and its parameters."""
  options = {"num_classes": 3, "widths": (8, 6), "axis_name": None} | options
  model = models.create("mlp", **options)
  return model, model.init(jax.random.key(0), X, train=False)


def numpy_mlp(params, x):
  """All outputs, those of the hidden layers first."""
  params, outputs = jax.tree.map(np.asarray, params["params"]), []
  for name in ("block0", "block1"):
    x = np.maximum(x @ params[name]["kernel"] + params[name]["bias"], 0)
    outputs.append(x)
  return *outputs, x @ params["head"]["kernel"] + params["head"]["bias"]


def test_logits_and_features_are_those_of_dense_layers_with_relu():
  model, variables = small()
  for stage, expected in enumerate(numpy_mlp(variables, X)[:2], 1):
    logits, found = model.apply(
        variables, X, train=True, features=f"stage{stage}"
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
  np.testing.assert_allclose(logits, numpy_mlp(variables, X)[2], atol=1e-6)


def test_two_layers_of_128_are_the_default_and_any_shape_is_flattened():
  model = models.create("mlp", num_classes=3)
  init = functools.partial(model.init, train=False)
  for shape in ((4, 6), (4, 2, 3), (4, 1, 2, 3)):
    variables = jax.eval_shape(init, jax.random.key(0), jnp.zeros(shape))
    params = variables["params"]
    widths = [params[k]["kernel"].shape for k in ("block0", "block1", "head")]
    assert widths == [(6, 128), (128, 128), (128, 3)]


def test_weights_of_hidden_layers_are_drawn_for_relu():
  model = models.create("mlp", num_classes=50, widths=(400, 400))
  params = model.init(jax.random.key(0), jnp.zeros((1, 200)), train=False)
  deviations = {k: np.std(v["kernel"]) for k, v in params["params"].items()}
  np.testing.assert_allclose(deviations["block0"], (2 / 200) ** 0.5, rtol=0.02)
  np.testing.assert_allclose(deviations["block1"], (2 / 400) ** 0.5, rtol=0.02)
  np.testing.assert_allclose(deviations["head"], 0.01, rtol=0.02)


def test_hooks_see_the_input_and_every_layer():
  model, variables = small()
  seen = []

  def logits(chosen):
    def hook(stage, x):
      seen.append((stage, x.shape))
      return jnp.where(stage == chosen, x[::-1], x)

    return model.apply(variables, X, train=True, hook=hook)

  plain = logits(-1)
  assert seen == [(0, (4, 5)), (1, (4, 8)), (2, (4, 6))]
  for stage in range(3):
    np.testing.assert_allclose(logits(stage), plain[::-1], rtol=1e-5, atol=1e-6)


def test_bfloat16_leaves_parameters_and_logits_float32():
  model, variables = small(dtype=jnp.bfloat16)
  logits, features = model.apply(variables, X, train=False, features="stage2")
  for leaf in jax.tree.leaves(variables):
    assert leaf.dtype == jnp.float32
  assert (logits.dtype, features.dtype) == (jnp.float32, jnp.bfloat16)


def test_dropout_drops_hidden_units_in_training_alone():
  model, variables = small(dropout=0.5)
  key = {"dropout": jax.random.key(1)}
  _, features = model.apply(
      variables, X, train=True, features="stage1", rngs=key
  )
  kept = numpy_mlp(variables, X)[0]
  assert np.all((features == 0) | np.isclose(features, 2 * kept, rtol=1e-5))
  assert np.any((features == 0) & (kept > 0))
  logits = model.apply(variables, X, train=False)
  np.testing.assert_allclose(logits, numpy_mlp(variables, X)[2], atol=1e-6)


def test_the_engine_sees_a_network_that_standardises():
  network = models.create_network(
      "mlp", num_classes=3, axis_name="batch", dtype=jnp.float32, widths=(8, 6),
      mean=tuple(X.mean(0).tolist()), std=tuple(X.std(0).tolist()),
  )
  variables = network.init(jax.random.key(0), X)
  standard = (X - X.mean(0)) / X.std(0)
  logits, state = network.train(variables, X, jax.random.key(1))
  expected = numpy_mlp(variables, standard)[2]
  np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-6)
  assert state == {}


@pytest.mark.parametrize("options,message", (
    ({"widths": (8, 0)}, r"widths=\(8, 0\) must be whole numbers above 0"),
    ({"widths": 8}, "widths=8 must be whole numbers"),
    ({"dropout": 1.0}, "dropout=1.0 must be in"),
))
def test_impossible_options_are_refused(options, message):
  with pytest.raises(ValueError, match=message):
    small(**options)


def test_features_that_are_not_there_are_refused():
  model, variables = small()
  with pytest.raises(ValueError, match="'stage3' must be among stage1, stage2"):
    model.apply(variables, X, train=False, features="stage3")


def test_no_hidden_layer_makes_a_linear_classifier():
  model, variables = small(widths=())
  head = jax.tree.map(np.asarray, variables["params"]["head"])
  logits = model.apply(variables, X, train=False)
  expected = X @ head["kernel"] + head["bias"]
  np.testing.assert_allclose(logits, expected, atol=1e-6)

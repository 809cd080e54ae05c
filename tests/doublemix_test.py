"""DoubleMix against golden values and twins; the divergence it is made with."""

import functools
import importlib
import os
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import losses
from dmjax import methods
from dmjax import mixers
from dmjax import models
from dmjax.methods import base

# The package has the function by the name of its module.
doublemix = importlib.import_module("dmjax.methods.doublemix")
SHARED = pathlib.Path(
    os.environ.get("DMJAX_SHARED", pathlib.Path(__file__).parents[2] / "shared")
)
GOLDEN = SHARED / "golden" / "mixupe.npz"
needs_golden = pytest.mark.skipif(
    not GOLDEN.exists(), reason="the golden values are not on this machine"
)
CE = losses.mixup_cross_entropy
PLAIN = functools.partial(mixers.identity, partner="roll")


def case(number):
  prefix = f"doublemix_case{number:02}_"
  with np.load(GOLDEN) as golden:
    return {
        name.removeprefix(prefix): golden[name] for name in golden.files
        if name.startswith(prefix)
    }


def encoder():
  """That of the golden file: layers `tanh(h w + b)`, the mean, a head."""

  def train(variables, h, key, *, hook=None, features=None):
    del key, features
    params, hook = variables["params"], hook or (lambda stage, h: h)
    h = hook(0, h)
    for layer, (w, b) in enumerate(zip(params["layer_w"], params["layer_b"])):
      h = hook(layer + 1, jnp.tanh(h @ w + b[None, None]))
    return jnp.mean(h, axis=1) @ params["head"], {}

  def predict(variables, x, **options):
    return train(variables, x, None, **options)[0]

  return models.Network(lambda key, x: None, train, predict)


def drawn(monkeypatch, *draws):
  monkeypatch.setattr(doublemix, "draw", lambda *_, **__: draws)


def state_of(params):
  return base.TrainState(jnp.int32(0), params, {})


@needs_golden
@pytest.mark.parametrize("number", range(3))
def test_loss_and_gradients_are_those_of_the_authors(number, monkeypatch):
  read = case(number)
  layer = int(read["mix_after_layer"])
  with jax.enable_x64(True):
    params = {k: jnp.asarray(read[k]) for k in ("layer_w", "layer_b", "head")}
    drawn(monkeypatch, layer, read["dirichlet"], read["lam"])
    method = methods.doublemix(
        encoder(), PLAIN, CE, stages=(layer,), guidance=mixers.needs()
    )
    batch = {
        "x": read["h0"], "first": read["h1"], "second": read["h2"],
        "label": read["labels"],
    }
    run = jax.jit(jax.value_and_grad(method.loss, has_aux=True))
    key = jax.random.key(0)
    (value, aux), grads = run(params, state_of(params), batch, key)
  np.testing.assert_allclose(value, read["loss"], rtol=1e-6)
  divergence = np.asarray(aux.metrics["divergence"][0]) / 5
  np.testing.assert_allclose(divergence, read["jensen_shannon"], rtol=1e-6)
  np.testing.assert_allclose(np.asarray(aux.losses).mean(), read["loss"])
  for name in ("head", "layer_w"):
    np.testing.assert_allclose(grads[name], read[f"grad_{name}"], atol=1e-8)


@needs_golden
def test_two_steps_mix_the_states_of_three_copies():
  """The third one is made as published: its states skip the layers."""
  read = case(3)
  h = np.stack([read[f"h{i}"] for i in range(3)])
  for w, b in list(zip(read["layer_w"], read["layer_b"]))[:2]:
    h = np.tanh(h @ w + b)
  third = read["h0"] + 1e-5 * read["noise_as_published"]
  with jax.enable_x64(True):
    parts = [jnp.asarray(each) for each in (h[0], h[0], h[1], h[2], third)]
    mix = functools.partial(doublemix.mix_second, 2)
    found = mix(parts, 2, read["dirichlet"], read["lam"])
  np.testing.assert_allclose(found[1], read["mixed"], rtol=1e-10)
  for place in (0, 2, 3, 4):
    assert found[place] is parts[place]


@pytest.fixture(scope="module")
def toy():
  rng = np.random.default_rng(0)
  params = {
      "layer_w": 0.5 * rng.normal(size=(2, 6, 6)),
      "layer_b": 0.1 * rng.normal(size=(2, 6)), "head": rng.normal(size=(6, 3)),
  }
  x = rng.normal(size=(3, 4, 5, 6))
  batch = dict(zip(("x", "first", "second"), x)) | {"label": np.arange(4) % 3}
  return jax.tree.map(jnp.asarray, (params, batch))


def lose(method, toy, key=0):
  params, batch = toy
  loss = jax.jit(method.loss)
  return loss(params, state_of(params), batch, jax.random.key(key))


def test_without_weight_it_is_supervised_training_of_the_mixer(toy):
  mixer = functools.partial(
      mixers.manifold_mixup, stages=(1,), lam=0.3, partner="roll"
  )
  dm = functools.partial(losses.decoupled_cross_entropy, eta=0.1)
  double = methods.doublemix(encoder(), mixer, dm, weight=0.0, stages=(2,))
  plain = methods.supervised(encoder(), mixer, dm)
  found, expected = lose(double, toy), lose(plain, toy)
  np.testing.assert_allclose(found[0], expected[0], rtol=1e-5)
  np.testing.assert_allclose(
      found[1].metrics["accuracy"][0], expected[1].metrics["accuracy"][0]
  )


def test_copies_that_are_the_example_agree_with_it(toy):
  params, batch = toy
  same = batch | dict.fromkeys(("first", "second"), batch["x"])
  method = methods.doublemix(encoder(), PLAIN, CE, copies=3)
  _, aux = lose(method, (params, same))
  np.testing.assert_allclose(aux.metrics["divergence"][0], 0, atol=1e-6)
  _, aux = lose(method, toy)
  assert aux.metrics["divergence"][0] > 1e-4


def test_the_example_keeps_half_of_the_mix_or_more():
  keys = jax.random.split(jax.random.key(0), 300)
  draw = functools.partial(
      doublemix.draw, stages=(1, 4), alpha=0.75, tau=1.0, copies=3
  )
  stage, w, lam = jax.jit(jax.vmap(draw))(keys)
  assert set(stage.tolist()) == {1, 4} and 0.5 <= lam.min() < 0.52
  np.testing.assert_allclose(w.sum(axis=1), 1, rtol=1e-5)
  np.testing.assert_allclose(w.mean(axis=0), 1 / 3, atol=0.05)


def test_noise_leaves_padding_as_it_is():
  h = jnp.float32([[[1.0], [0.0]], [[2.0], [0.0]]])
  found = doublemix._with_noise(jax.random.key(0), h)
  np.testing.assert_array_equal(found == 0, h == 0)
  assert (found != h).sum() == 2
  np.testing.assert_allclose(found, h, atol=1e-4)


@pytest.mark.parametrize("options,message", (
    ({"weight": -1.0}, "weight must be >= 0, got -1"),
    ({"alpha": 0.0}, "alpha must be positive, got 0"),
    ({"tau": -1.0}, "tau must be positive"),
    ({"copies": 4}, "copies must be 2 or 3, got 4"),
    ({"stages": ()}, "stages must be one or more integers"),
    ({"stages": (1.5,)}, "stages must be one or more integers"),
    ({"stages": (1, 7)}, r"stages must be among \[0, 1, 2\], .* got \[7\]"),
    ({"guidance": mixers.needs("saliency")}, "without guidance"),
))
def test_what_does_not_fit_is_named(toy, options, message):
  with pytest.raises(ValueError, match=message):
    lose(methods.doublemix(encoder(), PLAIN, CE, **options), toy)


def test_the_divergence_of_the_worked_example():
  p = np.log([[[0.7, 0.2, 0.1]], [[0.5, 0.4, 0.1]]])
  np.testing.assert_allclose(losses.jensen_shannon(p), 0.0253623, rtol=1e-5)
  np.testing.assert_allclose(
      8 * losses.jensen_shannon(np.float32(p) + 100), 0.2028980, rtol=1e-4
  )


@pytest.mark.parametrize("count", (1, 2, 3))
def test_the_divergence_equals_its_definition_with_a_clip(count):
  logits = 3 * np.random.default_rng(count).normal(size=(count, 6, 5))
  p = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
  m = np.clip(p.mean(axis=0), 1e-7, 1)
  expected = (p * (np.log(p) - np.log(m))).sum(axis=-1).mean(axis=0)
  with jax.enable_x64(True):
    np.testing.assert_allclose(
        losses.jensen_shannon(logits), expected, rtol=1e-5, atol=1e-9
    )


def test_the_divergence_lies_between_zero_and_the_logarithm_of_the_number():
  sure = 1e4 * np.eye(3, dtype=np.float32)[:, None]
  total = jax.jit(jax.value_and_grad(lambda z: losses.jensen_shannon(z).sum()))
  value, grad = total(sure)
  np.testing.assert_allclose(value, np.log(3), rtol=1e-6)
  assert np.isfinite(grad).all()
  same = np.broadcast_to(sure[:1], sure.shape)
  np.testing.assert_allclose(total(same)[0], 0, atol=1e-7)
  half = jax.ShapeDtypeStruct(same.shape, jnp.bfloat16)
  assert jax.eval_shape(losses.jensen_shannon, half).dtype == jnp.float32


@pytest.mark.parametrize("shape", ((3, 4), (0, 2, 3)))
def test_logits_that_are_no_predictions_are_named(shape):
  with pytest.raises(ValueError, match=r"logits must be \[n, B, C\]"):
    losses.jensen_shannon(np.zeros(shape))

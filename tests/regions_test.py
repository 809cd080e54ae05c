"""The loss of SMMix, RegMixup, and mixing for a part of training."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import losses
from dmjax import methods
from dmjax import mixers
from dmjax import models
from dmjax.methods import regions

LOSS = losses.mixup_cross_entropy


def log_softmax(z):
  return z - np.log(np.sum(np.exp(z), axis=-1, keepdims=True))


def cut_batch():
  """Two images of 8 x 8 pixels, 2 x 2 tokens, one of them pasted."""
  mask = np.ones((3, 8, 8, 1), np.float32)
  mask[0, :4, :4] = 0
  mask[1, 4:] = 0
  mask[2] = 0.25  # A blend.
  sources = np.array([[0, 1], [1, 2], [2, 0]])
  share = mask.mean(axis=(1, 2, 3))
  weights = np.stack([share, 1 - share], axis=1)
  return mixers.Mixed(jnp.zeros((3, 8, 8, 3)), sources, weights, mask)


def test_region_terms_are_those_written_out_by_hand():
  rng = np.random.default_rng(0)
  mixed, labels = cut_batch(), np.array([[0, 1], [1, 3], [3, 0]])
  tokens = rng.normal(size=(3, 2, 2, 5))
  head = {"kernel": rng.normal(size=(5, 4)), "bias": rng.normal(size=4)}
  clean, logits = rng.normal(size=(2, 3, 4))
  found = regions.region_terms(
      LOSS, head, tokens, clean, logits, mixed, labels
  )
  # Which tokens show the row itself: all but the first; the upper two.
  shown = [[(0, 1), (1, 0), (1, 1)], [(0, 0), (0, 1)]]
  pasted = [[(0, 0)], [(1, 0), (1, 1)]]
  for row in range(2):
    terms = 0.0
    for places, label in zip((shown[row], pasted[row]), labels[row]):
      mean = np.mean([tokens[row][place] for place in places], axis=0)
      terms -= log_softmax(mean @ head["kernel"] + head["bias"])[label] / 2
    i, j = mixed.sources[row]
    before = mixed.weights[row, 0] * clean[i] + mixed.weights[row, 1] * clean[j]
    p, q = log_softmax(before), log_softmax(logits[row])
    terms += sum(np.exp(p[c]) * (p[c] - q[c]) for c in range(4))
    np.testing.assert_allclose(found[row], terms, rtol=1e-5)
  assert found[2] == 0  # A blend has no regions.


def test_no_gradient_flows_into_the_prediction_before():
  rng = np.random.default_rng(1)
  tokens = jnp.asarray(rng.normal(size=(3, 2, 2, 5)))
  head = {"kernel": jnp.asarray(rng.normal(size=(5, 4))), "bias": jnp.zeros(4)}
  clean, logits = jnp.asarray(rng.normal(size=(2, 3, 4)))

  def total(clean, logits):
    return regions.region_terms(
        LOSS, head, tokens, clean, logits, cut_batch(), jnp.zeros((3, 2), int)
    ).sum()

  of_clean, of_logits = jax.grad(total, argnums=(0, 1))(clean, logits)
  np.testing.assert_array_equal(of_clean, 0)
  assert np.all(np.any(np.abs(of_logits[:2]) > 1e-4, axis=1))
  np.testing.assert_array_equal(of_logits[2], 0)


def lose(method, *arguments):
  """The value of a method's loss, compiled."""
  return jax.jit(lambda *a: method.loss(*a)[0])(*arguments)


@functools.cache
def vit():
  return models.create_network(
      "deit_tiny", num_classes=4, patch=2, width=8, depth=1, heads=2
  )


def batch(channels=3):
  rng = np.random.default_rng(0)
  x = jnp.asarray(rng.uniform(size=(8, 8, 8, channels)), jnp.float32)
  return {"x": x, "label": jnp.arange(8) % 4}


@functools.cache
def resnet():
  return models.create_network("resnet8", num_classes=4, widths=(4, 8, 8))


@functools.cache
def first_state(network):
  """The state that training of `network` begins with, whatever mixes."""
  method = methods.supervised(network(), mixers.identity, LOSS)
  return jax.jit(method.init)(jax.random.key(0), batch())


def test_the_tokens_that_regions_see_are_those_under_the_head():
  """The mean of the class token through the head, by hand, is the logits."""
  net, x = vit(), batch()["x"]
  variables = {"params": first_state(vit).params}
  see = jax.jit(lambda: [
      net.predict(variables, x, features=name) for name in ("stage1", "tokens")
  ])
  (_, last), (logits, tokens) = see()
  norm = jax.device_get(variables["params"]["norm"])
  last = np.asarray(last, np.float64)
  centred = last - last.mean(-1, keepdims=True)
  by_hand = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6)
  by_hand = by_hand * norm["scale"] + norm["bias"]
  assert tokens.shape == (8, 4, 4, 8) and logits.shape == (8, 4)
  np.testing.assert_allclose(tokens, by_hand, rtol=1e-4, atol=1e-5)


def test_a_method_with_regions_adds_their_terms():
  data, key = batch(), jax.random.key(2)
  mixer = functools.partial(mixers.smmix, per_batch=True, partner="flip")
  plain = methods.supervised(vit(), mixer, LOSS)
  whole = methods.supervised(vit(), mixer, LOSS, regions=True)
  state = first_state(vit)

  @jax.jit
  def terms_by_hand(params):
    mix_key, model_key = jax.random.split(key)
    clean, attention = vit().predict(
        {"params": params}, data["x"], features="attention"
    )
    mixed = mixer(mix_key, data["x"], attention=attention)
    (logits, tokens), _ = vit().train(
        {"params": params}, mixed.x, model_key, features="tokens"
    )
    return regions.region_terms(
        LOSS, params["head"], tokens, clean, logits, mixed,
        data["label"][mixed.sources],
    )

  without = lose(plain, state.params, state, data, key)
  with_them = lose(whole, state.params, state, data, key)
  terms = terms_by_hand(state.params)
  assert np.abs(terms).max() > 1e-3
  np.testing.assert_allclose(with_them, without + terms.mean(), rtol=1e-5)


@pytest.mark.parametrize("mixer", (mixers.mixup, mixers.cutmix))
def test_regions_need_a_mask_of_two_images(mixer):
  method = methods.supervised(vit(), mixer, LOSS, regions=True)
  data = batch()
  state = jax.eval_shape(method.init, jax.random.key(0), data)
  trace = functools.partial(jax.eval_shape, method.loss)
  if mixer is mixers.mixup:
    with pytest.raises(ValueError, match="regions=True needs a mixer of two"):
      trace(state.params, state, data, jax.random.key(0))
  else:
    trace(state.params, state, data, jax.random.key(0))


def test_regions_do_not_go_with_labels_that_attention_weighs():
  with pytest.raises(ValueError, match="regions=True needs a mixer that pastes"):
    methods.supervised(vit(), mixers.transmix, LOSS, regions=True)


@functools.cache
def clean_loss():
  """The loss of unmixed images, and its gradient, compiled once."""
  method = methods.supervised(resnet(), mixers.identity, LOSS)
  return jax.jit(lambda *a: method.loss(*a)[0])


@pytest.mark.parametrize("mixer", (
    mixers.mixup, functools.partial(mixers.manifold_mixup, stages=(1,)),
))
def test_before_and_after_its_time_a_mixer_leaves_images_as_they_are(mixer):
  data, key = batch(), jax.random.key(3)
  method = methods.supervised(resnet(), mixer, LOSS, start=3, until=5)
  always = methods.supervised(resnet(), mixer, LOSS)
  state = first_state(resnet)
  # The head begins so small that every loss is the logarithm of 4.
  state = state.replace(params=jax.tree.map(lambda p: 30 * p, state.params))
  at = jax.jit(lambda state: method.loss(state.params, state, data, key)[0])
  mixed = lose(always, state.params, state, data, key)
  plain = clean_loss()(state.params, state, data, key)
  for step, expected in ((2, plain), (3, mixed), (4, mixed), (5, plain)):
    np.testing.assert_allclose(
        at(state.replace(step=step)), expected, rtol=1e-5
    )
  assert abs(plain - mixed) > 1e-3


def test_until_is_read_as_a_duration_of_the_run():
  seen = []

  def steps(key, duration):
    seen.append((key, duration))
    return 30

  parts = methods.Parts(
      network=lambda outputs: resnet(), num_classes=4, mixer=mixers.mixup,
      guidance=mixers.needs(), loss=LOSS, total_steps=40, steps=steps,
      teacher=None, axis_name=None,
  )
  method = methods.METHODS["supervised"](parts, until="3 epochs")
  assert ("method.until", "3 epochs") in seen
  data = batch()
  state = first_state(resnet).replace(step=30)
  found = lose(method, state.params, state, data, jax.random.key(3))
  plain = clean_loss()(state.params, state, data, jax.random.key(3))
  np.testing.assert_allclose(found, plain, rtol=1e-5)


def clean_by_hand(params):
  """The loss of the unmixed images."""
  logits = jax.jit(vit().predict)({"params": params}, batch()["x"])
  logs = log_softmax(np.asarray(logits, np.float64))
  return -np.mean(logs[np.arange(8), batch()["label"]])


@pytest.mark.parametrize("name", ("mixup", "attentivemix", "manifold_mixup"))
def test_regmixup_is_the_clean_loss_and_eta_times_the_mixed(name):
  """The network without batch norm, so that both passes may be apart."""
  data, key, eta = batch(), jax.random.key(4), 0.3
  stages = {"stages": (1,)} if name == "manifold_mixup" else {}
  mixer = functools.partial(mixers.MIXERS[name], per_batch=True, **stages)
  both = methods.regmixup(vit(), mixer, LOSS, eta=eta)
  mixed = methods.supervised(vit(), mixer, LOSS)
  state = first_state(vit)
  found, aux = jax.jit(both.loss)(state.params, state, data, key)
  of_mixed = lose(mixed, state.params, state, data, key)
  of_clean = clean_by_hand(state.params)
  np.testing.assert_allclose(found, of_clean + eta * of_mixed, rtol=1e-5)
  total, count = aux.metrics["loss"]
  np.testing.assert_allclose(total / count, found, rtol=1e-6)
  assert count == 16


def test_regmixup_weighs_labels_by_the_attention_of_the_mixed_images():
  data, key = batch(), jax.random.key(5)
  both = methods.regmixup(vit(), mixers.transmix, LOSS)
  mixed = methods.supervised(vit(), mixers.transmix, LOSS)
  state = first_state(vit)
  found, of_mixed = (
      lose(m, state.params, state, data, key) for m in (both, mixed)
  )
  of_clean = clean_by_hand(state.params)
  np.testing.assert_allclose(found, of_mixed + of_clean, rtol=1e-5)


def test_regmixup_normalises_clean_and_mixed_images_together():
  data, key = batch(), jax.random.key(6)
  method = methods.regmixup(resnet(), mixers.mixup, LOSS)
  state = first_state(resnet)
  _, aux = jax.jit(method.loss)(state.params, state, data, key)

  @jax.jit
  def together(state):
    mix_key, model_key = jax.random.split(key)
    x = jnp.concatenate([data["x"], mixers.mixup(mix_key, data["x"]).x])
    variables = {"params": state.params, **state.model_state}
    return resnet().train(variables, x, model_key)[1]

  expected = together(state)
  jax.tree.map(
      functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6),
      aux.model_state, expected,
  )


def test_a_negative_eta_is_refused():
  with pytest.raises(ValueError, match="eta must be >= 0, got -1"):
    methods.regmixup(resnet(), mixers.mixup, LOSS, eta=-1)

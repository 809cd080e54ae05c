"""SUMix: the corrected shares, the doubt, and plain mixup without either."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import losses
from dmjax import methods
from dmjax import mixers
from dmjax.methods import sumix as sumix_method
from dmjax.methods.sumix import corrected_shares
from dmjax.methods.sumix import distances
from tests import tiny_networks

KEY = jax.random.key(3)
LOSS = losses.mixup_cross_entropy


def softmax(x):
  e = np.exp(x - x.max(-1, keepdims=True))
  return e / e.sum(-1, keepdims=True)


def normalised(x):
  p = softmax(x)
  return p / np.sqrt((p**2).sum(-1, keepdims=True))


def pairs(key, x):
  """Neighbours, lambda from the pixels: however the batch is split."""
  del key
  lam = 0.2 + 0.6 * x[:, 0, 0, 0]
  partner = jnp.arange(x.shape[0]) ^ 1
  return mixers.mixup(jax.random.key(0), x, lam=lam, partner=partner)


def method(mixer=pairs, loss=LOSS, **options):
  options = {"guidance": mixers.needs()} | options
  return sumix_method(tiny_networks.network(8), mixer, loss, **options)


@functools.cache
def state():
  """Logits large enough for images to differ."""
  first = jax.jit(method().init)(KEY, tiny_networks.batch())
  return first.replace(params=tiny_networks.noisy(first.params, 2.0))


def logits_of(x):
  net = tiny_networks.network(8)
  return np.asarray(jax.jit(net.predict)({"params": state().params}, x))


def test_shares_are_corrected_and_keep_their_sum():
  weights = np.array([[0.3, 0.7], [1.0, 0.0], [0.5, 0.5], [0.0, 0.0], [0.9, 0.6]])
  a = np.array([[1.0, 2.0], [99.0, 0.0], [0.0, 300.0], [1.0, 2.0], [2.0, 2.0]])
  found = corrected_shares(jnp.float32(weights), jnp.float32(a))
  first = 0.3 / (0.3 + 0.7 * np.exp(-1))
  expected = [[first, 1 - first], [1, 0], [1, 0], [0, 0], [0.9, 0.6]]
  np.testing.assert_allclose(found, expected, atol=1e-6)


def test_distances_agree_with_a_loop_over_the_sources():
  rng = np.random.default_rng(0)
  mixed, clean = rng.normal(size=(2, 4, 5)).astype(np.float32)
  labels = np.array([[0, 1, 2], [3, 3, 1], [4, 0, 4], [2, 2, 2]])
  sources = np.array([[0, 1, 3], [1, 0, 2], [2, 3, 0], [3, 2, 1]])
  found = jax.jit(distances)(mixed, clean, labels, sources)
  for b, k in np.ndindex(4, 3):
    p = softmax(clean)[sources[b, k]].copy()
    for j in range(3):
      if j != k:
        p[labels[b, j]] = 0
    expected = normalised(softmax(mixed)[b] - p)
    np.testing.assert_allclose(found[b, k], expected, atol=1e-6)
    np.testing.assert_allclose(np.sum(np.square(found[b, k])), 1, rtol=1e-5)


@functools.partial(jax.jit, static_argnames="options")
def gradients(params, data, options=()):
  found = method(**dict(options))
  return jax.value_and_grad(found.loss, has_aux=True)(
      params, state().replace(params=params), data, KEY
  )


def test_the_loss_is_that_of_corrected_shares_and_of_doubt():
  data = tiny_networks.batch()
  (found, aux), _ = gradients(
      state().params, data, (("gamma", 0.5), ("strength", 4.0))
  )
  mixed = jax.device_get(pairs(None, data["x"]))
  y = np.asarray(data["label"])[mixed.sources]
  clean, out = logits_of(data["x"]), logits_of(mixed.x)
  a = 4 * np.asarray(distances(out[:, :4], clean[:, :4], y, mixed.sources))
  b = (normalised(clean[:, 4:])[mixed.sources] + normalised(out[:, 4:])[:, None])
  rows, k = np.indices(y.shape)
  shares = mixed.weights * np.exp(-a[rows, k, y])
  shares /= shares.sum(1, keepdims=True)
  ce = np.sum(-shares * np.log(softmax(out[:, :4]))[rows, y], axis=1)
  log_doubt = np.log(softmax(np.exp(-a - b)))
  term = np.sum(-mixed.weights * log_doubt[rows, k, y], axis=1)
  np.testing.assert_allclose(found, np.mean(ce + 0.5 * term), rtol=1e-4)
  moved = np.abs(shares - mixed.weights)[:, 0].sum()
  np.testing.assert_allclose(aux.metrics["correction"][0], moved, rtol=1e-3)
  assert moved > 0.1


@pytest.mark.parametrize("mixer", ("puzzlemix", "manifold_mixup"))
def test_without_correction_and_doubt_it_is_supervised_training(mixer):
  """Whatever the mixer needs, and with any loss."""
  options = {"puzzlemix": {"blocks": 2}, "manifold_mixup": {"stages": (1,)}}
  mixer = functools.partial(mixers.MIXERS[mixer], **options[mixer])
  needs, loss = mixers.guidance_of(mixer), losses.decoupled_cross_entropy
  network = tiny_networks.network(8)
  half = network._replace(
      train=lambda *x, **o: (network.train(*x, **o)[0][:, :4], {}),
      predict=lambda *x, **o: network.predict(*x, **o)[:, :4],
  )
  usual = methods.supervised(half, mixer, loss, guidance=needs)
  ours = method(mixer, loss, gamma=0.0, strength=0.0, guidance=needs)
  key = jax.random.split(KEY)[0]  # Of the two, that of the mixed images.

  @jax.jit
  def both(params, data):
    at = state().replace(params=params)
    return [
        jax.value_and_grad(m.loss, has_aux=True)(params, at, data, k)
        for m, k in ((usual, key), (ours, KEY))
    ]

  (expected, slopes), (found, ours_slopes) = both(
      state().params, tiny_networks.batch()
  )
  np.testing.assert_allclose(found[0], expected[0], rtol=1e-5)
  accuracies = [aux.metrics["accuracy"][0] for _, aux in (expected, found)]
  np.testing.assert_allclose(*accuracies, rtol=1e-5)
  jax.tree.map(
      functools.partial(np.testing.assert_allclose, rtol=1e-3, atol=1e-5),
      ours_slopes, slopes,
  )


def test_two_devices_have_the_gradient_of_one():
  data, options = tiny_networks.batch(), (("gamma", 0.5), ("strength", 4.0))
  whole = gradients(state().params, data, options)[1]
  parts = [
      gradients(state().params, part, options)[1]
      for part in tiny_networks.halves(data)
  ]
  mean = jax.tree.map(lambda a, b: (a + b) / 2, *parts)
  jax.tree.map(
      functools.partial(np.testing.assert_allclose, rtol=1e-3, atol=1e-4),
      whole, mean,
  )


def test_it_predicts_by_the_first_head():
  x = tiny_networks.batch()["x"]
  found = jax.jit(method().predict)(state(), {"x": x})
  np.testing.assert_allclose(found, logits_of(x)[:, :4], atol=1e-4)


@pytest.mark.parametrize("options,message", (
    ({"gamma": -1.0}, "gamma must be >= 0 and finite, got -1"),
    ({"strength": float("nan")}, "strength must be >= 0 and finite, got nan"),
    ({"ema_decay": 2.0}, "ema_decay must lie in"),
))
def test_misuse_is_named(options, message):
  with pytest.raises(ValueError, match=message):
    method(**options)

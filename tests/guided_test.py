"""SaliencyMix, Guided Mixup and AttentiveMix against loops."""

import functools

from hypothesis import given
from hypothesis import strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import mixers
from dmjax.mixers import _guided

SHAPE = (9, 14)
BATCH = 6


@functools.cache
def mixer(name, **options):
  return jax.jit(functools.partial(mixers.MIXERS[name], **options))


def images(batch=BATCH, shape=SHAPE, seed=0):
  return jax.random.uniform(jax.random.key(seed), (batch, *shape, 3))


def maps(batch=BATCH, shape=SHAPE, seed=1):
  return jax.random.uniform(jax.random.key(seed), (batch, *shape)) ** 4


@given(seed=st.integers(0, 2**31 - 1), lam=st.sampled_from((0.1, 0.5, 0.9)))
def test_saliencymix_pastes_around_the_partners_brightest_pixel(seed, lam):
  x, saliency = images(), maps(seed=seed)
  mixed = _saliencymix(jax.random.key(seed), x, saliency, lam)
  for i in range(BATCH):
    peak = np.argwhere(saliency[i - 1] == saliency[i - 1].max())[0]
    half = [int(n * np.sqrt(1 - np.float32(lam))) // 2 for n in SHAPE]
    expected = np.array(x[i])
    for row, column in np.ndindex(SHAPE):
      offset = row - peak[0], column - peak[1]
      if all(-h <= o < h for o, h in zip(offset, half)):
        expected[row, column] = x[i - 1, row, column]
    np.testing.assert_array_equal(mixed.x[i], expected)


@jax.jit
def _saliencymix(key, x, saliency, lam):
  return mixers.saliencymix(key, x, saliency=saliency, lam=lam, partner="roll")


def test_guidedmix_mask_is_the_share_of_the_blurred_saliency():
  x, saliency = images(), maps()
  mixed = mixer("guidedmix", partner="roll")(
      jax.random.key(0), x, saliency=saliency
  )
  blurred = np.stack([_loop_blur(np.asarray(s)) for s in saliency])
  before = np.roll(blurred, 1, 0)
  expected = blurred / (blurred + before)
  np.testing.assert_allclose(mixed.mask[..., 0], expected, atol=1e-5)
  np.testing.assert_allclose(
      mixed.x,
      expected[..., None] * x + (1 - expected[..., None]) * np.roll(x, 1, 0),
      atol=1e-5,
  )


def _loop_blur(saliency):
  offsets = np.arange(-3, 4)
  window = np.exp(-(offsets[:, None] ** 2 + offsets[None, :] ** 2) / 18)
  padded = np.pad(saliency, 3, mode="reflect")
  blurred = np.zeros(SHAPE)
  for row, column in np.ndindex(SHAPE):
    patch = padded[row : row + 7, column : column + 7]
    blurred[row, column] = np.sum(patch * window)
  return blurred / blurred.sum()


def test_guidedmix_shares_pixels_that_nobody_finds_salient():
  x, nothing = images(), jnp.zeros((BATCH, *SHAPE))
  mixed = mixer("guidedmix")(jax.random.key(0), x, saliency=nothing)
  np.testing.assert_array_equal(mixed.mask, 0.5)


def test_guidedmix_mixes_the_partners_that_saliency_chose():
  x, saliency = images(), maps()
  mixed = mixer("guidedmix")(jax.random.key(4), x, saliency=saliency)
  partner = mixed.sources[:, 1]
  again = mixer("guidedmix")(
      jax.random.key(0), x, saliency=saliency, partner=partner
  )
  np.testing.assert_allclose(mixed.x, again.x, atol=1e-6)
  assert np.all(partner != np.arange(BATCH))


_farthest_cycle = jax.jit(_guided._farthest_cycle)


@pytest.mark.parametrize("batch", (1, 2, 9))
@given(seed=st.integers(0, 2**31 - 1))
def test_farthest_cycle_agrees_with_a_greedy_walk(batch, seed):
  points = np.asarray(maps(batch, (3, 4), seed))
  partner = _farthest_cycle(jax.random.key(seed), jnp.asarray(points))
  walks = [_greedy_walk(points, start) for start in range(batch)]
  assert any(np.array_equal(partner, walk) for walk in walks)


def _greedy_walk(points, start):
  partner, row = np.zeros(len(points), int), start
  left = set(range(len(points))) - {start}
  while left:
    far = max(left, key=lambda j: np.sum((points[row] - points[j]) ** 2))
    partner[row], row = far, far
    left.remove(far)
  partner[row] = start
  return partner


@pytest.mark.parametrize("top_k", (None, 4))
@given(seed=st.integers(0, 2**31 - 1), lam=st.sampled_from((0.0, 0.3, 1.0)))
def test_attentivemix_keeps_the_cells_of_largest_mean(top_k, seed, lam):
  # Features in few steps, so that there are ties.
  features = jnp.round(maps(BATCH, (3, 4, 2), seed) * 3)
  x = images()
  mixed = _attentivemix(jax.random.key(0), x, features, lam, top_k)
  count = top_k or max(int(np.float32(lam) * 12), 1)
  for i in range(BATCH):
    scores = np.asarray(features[i]).mean(-1).ravel().tolist()
    best = sorted(range(12), key=lambda c: (-scores[c], c))[:count]
    expected = np.zeros((*SHAPE, 1))
    for row, column in np.ndindex(SHAPE):
      cell = row * 3 // SHAPE[0] * 4 + column * 4 // SHAPE[1]
      expected[row, column] = cell in best
    np.testing.assert_array_equal(mixed.mask[i], expected)
    pasted = expected * x[i] + (1 - expected) * x[i - 1]
    np.testing.assert_array_equal(mixed.x[i], pasted)


@functools.partial(jax.jit, static_argnums=4)
def _attentivemix(key, x, features, lam, top_k):
  return mixers.attentivemix(
      key, x, features=features, lam=lam, top_k=top_k, partner="roll"
  )


@pytest.mark.parametrize("name", ("saliencymix", "attentivemix"))
def test_one_draw_per_batch_leaves_guidance_to_each_row(name):
  guide = maps() if name == "saliencymix" else maps(BATCH, (3, 4, 2))
  option = "saliency" if name == "saliencymix" else "features"
  mixed = mixer(name, lam=0.6, per_batch=True)(
      jax.random.key(0), images(), **{option: guide}
  )
  assert len(np.unique(mixed.mask, axis=0)) > 1


def test_guidance_is_a_constant():
  def brightness(saliency, features, key=jax.random.key(0)):
    guided = mixers.guidedmix(key, images(), saliency=saliency)
    attentive = mixers.attentivemix(key, images(), features=features, lam=0.4)
    return jnp.sum(guided.x) + jnp.sum(attentive.x) + jnp.sum(guided.weights[0])

  gradients = jax.jit(jax.grad(brightness, (0, 1)))(
      maps(), maps(BATCH, (3, 4, 2))
  )
  for gradient in gradients:
    np.testing.assert_array_equal(gradient, 0)


@pytest.mark.parametrize(
    "name, options, message",
    (
        ("saliencymix", {"saliency": maps(2)}, "saliency must be"),
        ("guidedmix", {"saliency": maps(shape=(4, 4))}, "saliency must be"),
        ("guidedmix", {"saliency": maps(), "partner": "best"}, "'best'"),
        ("attentivemix", {"features": maps()}, "features must be"),
        ("attentivemix", {"features": maps(6, (2, 2, 2)), "top_k": 5}, "top_k"),
    ),
)
def test_misuse_is_refused(name, options, message):
  with pytest.raises(ValueError, match=message):
    mixers.MIXERS[name](jax.random.key(0), images(), **options)

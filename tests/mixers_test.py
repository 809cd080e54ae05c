"""One suite of properties for every mixer in the registry.

A mixer is tested by being registered: guidance is made from the names of its
options, and what a mixer does not promise by design is listed below.
"""

import functools

from absl.testing import parameterized
import chex
from hypothesis import given
from hypothesis import strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import mixers

ALL = tuple(sorted(mixers.MIXERS))

# Mixers that move or resize what they paste: their pixels lie in the range of
# the two images, not between the two values at the same place.
MOVES_PIXELS = frozenset({
    "alignmix",  # Features are rearranged softly, to where they resemble.
    "resizemix",
    "smmix",  # A window is pasted elsewhere than it was.
    "snapmix",
})

# Mixers whose weights are, on purpose, not the mean of their mask.
OWN_WEIGHTS = frozenset({
    "mixpro",  # Attention weighs the labels.
    "snapmix",  # The shares of the two objects that are seen.
    "tokenmix",  # The scores of the pasted tokens weigh the labels.
    "transmix",  # Half area, half attention.
})

# Mixers whose weights, on purpose, need not sum to 1. snapmix: hiding one
# object does not mean that another is shown.
FREE_SUMS = frozenset({"snapmix"})


def images(batch, size=16, seed=0, dtype=jnp.float32):
  shape = (batch, size, size, 3)
  return jax.random.uniform(jax.random.key(seed), shape).astype(dtype)


def guidance(name, batch, size=16, seed=1):
  """Guidance arrays for those options of the mixer that have no default."""
  key = jax.random.key(seed)
  maps = {
      "saliency": (batch, size, size),
      "cam": (batch, size, size),
      "attention": (batch, (size // 4) ** 2),
      "features": (batch, size // 4, size // 4, 6),
  }
  known = mixers.options_of(mixers.MIXERS[name])
  return {
      option: jax.random.uniform(key, shape, minval=0.01)
      for option, shape in maps.items()
      if option in known
  }


def configured(name, batch, size=16, **options):
  """The mixer with its guidance and those of the options that it has."""
  mixer = mixers.MIXERS[name]
  known = mixers.options_of(mixer)
  options = {k: v for k, v in options.items() if k in known}
  return functools.partial(mixer, **guidance(name, batch, size), **options)


def assert_close(a, b, atol=1e-5):
  chex.assert_trees_all_close(a, b, atol=atol)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("batch", (1, 2, 5))
def test_shapes_follow_the_contract(name, batch):
  x = images(batch)
  mixed = configured(name, batch)(jax.random.key(0), x)
  chex.assert_equal_shape([mixed.x, x])
  assert mixed.x.dtype == x.dtype
  assert mixed.sources.dtype == jnp.int32
  assert mixed.weights.dtype == jnp.float32
  chex.assert_equal_shape([mixed.sources, mixed.weights])
  np.testing.assert_array_equal(mixed.sources[:, 0], np.arange(batch))
  assert np.all((mixed.sources >= 0) & (mixed.sources < batch))
  if mixed.mask is not None:
    chex.assert_shape(mixed.mask, (*x.shape[:3], 1))
    assert mixed.mask.dtype == jnp.float32


@pytest.mark.parametrize("name", ALL)
@given(seed=st.integers(0, 2**31 - 1))
def test_weights_are_shares_and_equal_the_mask_mean(name, seed):
  mixed = _jitted(name, 6)(jax.random.key(seed), images(6))
  assert np.all((mixed.weights >= 0) & (mixed.weights <= 1))
  if name not in FREE_SUMS:
    np.testing.assert_allclose(mixed.weights.sum(1), 1, atol=1e-6)
  if mixed.mask is not None and name not in OWN_WEIGHTS:
    mean = mixed.mask.mean(axis=(1, 2, 3))
    np.testing.assert_allclose(mixed.weights[:, 0], mean, atol=1 / 256)


@pytest.mark.parametrize("name", ALL)
@given(seed=st.integers(0, 2**31 - 1))
def test_mixed_pixels_lie_between_their_sources(name, seed):
  x = images(6)
  mixed = _jitted(name, 6)(jax.random.key(seed), x)
  sources = x[mixed.sources]
  axes = (1, 2, 3, 4) if name in MOVES_PIXELS else (1,)
  low, high = sources.min(axes, keepdims=True), sources.max(axes, keepdims=True)
  assert np.all((mixed.x >= low[:, 0] - 1e-6) & (mixed.x <= high[:, 0] + 1e-6))


@functools.cache
def _jitted(name, batch):
  return jax.jit(configured(name, batch))


@pytest.mark.parametrize("name", ALL)
def test_identical_images_stay_identical(name):
  x = jnp.broadcast_to(images(1), (4, 16, 16, 3))
  if name in MOVES_PIXELS:
    x = jnp.full_like(x, 0.3)
  mixed = configured(name, 4)(jax.random.key(3), x)
  assert_close(mixed.x, x)


@pytest.mark.parametrize("name", ALL)
def test_lambda_one_returns_the_input(name):
  if "lam" not in mixers.options_of(mixers.MIXERS[name]):
    pytest.skip(f"{name} has no lambda")
  x = images(4)
  mixed = configured(name, 4, lam=1.0)(jax.random.key(0), x)
  assert_close(mixed.x, x, 0)
  assert_close(mixed.weights[:, 0], jnp.ones(4))


@pytest.mark.parametrize("name", ALL)
def test_vmap_over_keys_equals_a_loop(name):
  x, keys = images(4), jax.random.split(jax.random.key(0), 3)
  mixer = configured(name, 4)
  together = jax.vmap(mixer, (0, None))(keys, x)
  one_by_one = [mixer(key, x) for key in keys]
  stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *one_by_one)
  assert_close(together, stacked)


@pytest.mark.parametrize("name", ALL)
def test_bfloat16_agrees_with_float32(name):
  x = images(4)
  mixer, key = configured(name, 4), jax.random.key(2)
  mixed = mixer(key, x.astype(jnp.bfloat16))
  assert mixed.x.dtype == jnp.bfloat16
  expected = mixer(key, x.astype(jnp.bfloat16).astype(jnp.float32))
  assert_close(mixed.x.astype(jnp.float32), expected.x, 1e-2)
  assert_close(mixed.weights, expected.weights, 1e-6)


@pytest.mark.parametrize("name", ALL)
def test_permuting_rows_permutes_the_output(name):
  """With one draw per batch and the same partners, order does not matter."""
  order, partner = jnp.array([3, 0, 4, 1, 2]), jnp.array([1, 2, 3, 4, 0])
  inverse = jnp.argsort(order)
  x, guides = images(5), guidance(name, 5)
  known = mixers.options_of(mixers.MIXERS[name])
  if "partner" not in known:
    pytest.skip(f"{name} chooses its own partners")
  shared = {"per_batch": True} if "per_batch" in known else {}
  mixer = functools.partial(
      mixers.MIXERS[name], jax.random.key(5), **shared
  )
  mixed = mixer(x, partner=partner, **guides)
  permuted = mixer(
      x[order],
      partner=inverse[partner[order]],
      **{k: v[order] for k, v in guides.items()},
  )
  assert_close(permuted.x, mixed.x[order])
  assert_close(permuted.weights, mixed.weights[order])
  np.testing.assert_array_equal(order[permuted.sources], mixed.sources[order])


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("lam", (None, 0.0, 0.5, 1.0))
def test_gradients_through_the_mix_are_finite(name, lam):
  mixer = configured(name, 4, **({} if lam is None else {"lam": lam}))

  def loss(x):
    mixed = mixer(jax.random.key(1), x)
    return jnp.sum(jnp.square(mixed.x)) + jnp.sum(mixed.weights[:, 0])

  assert np.all(np.isfinite(jax.grad(loss)(images(4))))


@pytest.mark.parametrize("name", ALL)
def test_one_draw_per_batch_gives_one_weight(name):
  known = mixers.options_of(mixers.MIXERS[name])
  if not {"per_batch", "lam"} <= known or guidance(name, 1):
    pytest.skip(f"the weights of {name} depend on guidance")
  mixed = configured(name, 6, per_batch=True)(jax.random.key(0), images(6))
  assert_close(mixed.weights, jnp.broadcast_to(mixed.weights[:1], (6, 2)))


class Variants(chex.TestCase):

  @chex.variants(with_jit=True, without_jit=True, with_pmap=True)
  @parameterized.parameters(*ALL)
  def test_same_key_gives_the_same_batch(self, name):
    x, key = images(4), jax.random.key(9)
    mixer = configured(name, 4)
    assert_close(self.variant(mixer)(key, x), mixer(key, x))

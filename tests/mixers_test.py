"""One suite of properties for every mixer in the registry.

A mixer is tested by being registered: guidance is made from the names of its
options, and what a mixer does not promise by design is listed below.
"""

import functools

import chex
from hypothesis import given
from hypothesis import strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import mixers

ALL = tuple(sorted(mixers.MIXERS))
KEY = jax.random.key(0)
BATCH, SHAPE = 5, (16, 16)
Spec = jax.sharding.PartitionSpec

# What the defaults would compute for longer, to the same effect.
CHEAP = {"alignmix": {"iterations": 10}, "puzzlemix": {"blocks": (2, 4)}}

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
    "tlalign",  # Labels follow their tokens.
    "tokenmix",  # The scores of the pasted tokens weigh the labels.
    "transmix",  # Half area, half attention.
})

# Mixers whose weights, on purpose, need not sum to 1. snapmix: hiding one
# object does not mean that another is shown.
FREE_SUMS = frozenset({"snapmix"})


def images(batch=BATCH, shape=SHAPE, seed=0, dtype=jnp.float32):
  shape = (batch, *shape, 3)
  return jax.random.uniform(jax.random.key(seed), shape).astype(dtype)


def options_of(name):
  return mixers.options_of(mixers.MIXERS[name])


def guidance(name, batch=BATCH, shape=SHAPE, seed=1):
  """Guidance arrays for those options of the mixer that have no default."""
  key, patch = jax.random.key(seed), 4 if min(shape) >= 4 else 1
  grid = shape[0] // patch, shape[1] // patch
  maps = {
      "saliency": (batch, *shape),
      "cam": (batch, *shape),
      "attention": (batch, grid[0] * grid[1]),
      "attentions": (batch, 2, *[1 + grid[0] * grid[1]] * 2),
      "features": (batch, *grid, 6),
  }
  return {
      option: jax.random.uniform(key, size, minval=0.01)
      for option, size in maps.items()
      if option in options_of(name)
  }


def inputs(name, batch=BATCH, shape=SHAPE, lam=None):
  """The arrays that a mixer is called with, lambda among them if it has one."""
  lam = jnp.linspace(0, 1, batch) if lam is None else lam
  lam = jnp.broadcast_to(jnp.asarray(lam, jnp.float32), batch)
  given = {"lam": lam} if "lam" in options_of(name) else {}
  return images(batch, shape), given | guidance(name, batch, shape)


def mixer(name, shape=SHAPE):
  """The mixer, that of blocks with as many as fit into small images."""
  options = CHEAP.get(name, {})
  if "blocks" in options_of(name) and min(shape) < 4:
    options = {"blocks": 1}
  return functools.partial(mixers.MIXERS[name], **options)


def mix(name, key, x, arrays, **options):
  return mixer(name, x.shape[1:3])(key, x, **arrays, **options)


@functools.cache
def program(name):
  """The mix and the gradient through it, one program for most of the tests."""

  def loss(x, key, arrays):
    mixed = mix(name, key, x, arrays)
    return jnp.sum(jnp.square(mixed.x)) + jnp.sum(mixed.weights[:, 0]), mixed

  return jax.jit(jax.grad(loss, has_aux=True))


def compiled(name, key, x, arrays):
  return jax.device_get(program(name)(x, key, arrays)[1])


def assert_close(a, b, atol=1e-5):
  chex.assert_trees_all_close(a, b, atol=atol)


def assert_contract(name, x, mixed):
  """Shapes, sources, weights and the range of the pixels of a mixed batch."""
  x, mixed = jax.device_get((x, mixed))
  assert_shapes(x, mixed)
  rows = np.arange(len(x))
  np.testing.assert_array_equal(mixed.sources[:, 0], rows)
  assert np.all((mixed.sources >= 0) & (mixed.sources < len(x)))
  assert np.all((mixed.weights >= 0) & (mixed.weights <= 1))
  if name not in FREE_SUMS:
    np.testing.assert_allclose(mixed.weights.sum(1), 1, atol=1e-6)
  if mixed.mask is not None and name not in OWN_WEIGHTS:
    mean = mixed.mask.mean(axis=(1, 2, 3))
    np.testing.assert_allclose(mixed.weights[:, 0], mean, atol=1 / 256)
  sources = x[mixed.sources]
  axes = (1, 2, 3, 4) if name in MOVES_PIXELS else (1,)
  low, high = sources.min(axes, keepdims=True), sources.max(axes, keepdims=True)
  assert np.all((mixed.x >= low[:, 0] - 1e-6) & (mixed.x <= high[:, 0] + 1e-6))


def assert_shapes(x, mixed):
  assert mixed.x.shape == x.shape and mixed.x.dtype == x.dtype
  assert mixed.sources.dtype == jnp.int32
  assert mixed.weights.dtype == jnp.float32
  assert mixed.sources.shape == mixed.weights.shape
  assert mixed.sources.shape[0] == x.shape[0]
  if mixed.mask is not None:
    assert mixed.mask.shape == (*x.shape[:3], 1)
    assert mixed.mask.dtype == jnp.float32


@pytest.mark.parametrize("name", ALL)
def test_shapes_follow_the_batch_and_what_is_drawn_keeps_the_contract(name):
  for batch in (1, 2):
    x = images(batch)
    draw = functools.partial(mixer(name), **guidance(name, batch))
    assert_shapes(x, jax.eval_shape(draw, KEY, x))
  x = images()
  assert_contract(name, x, mix(name, KEY, x, guidance(name)))


@pytest.mark.parametrize("name", ALL)
@given(seed=st.integers(0, 2**31 - 1))
def test_weights_equal_the_mask_mean_and_pixels_lie_between_their_sources(
    name, seed
):
  lam = np.random.default_rng(seed).uniform(size=BATCH).astype(np.float32)
  lam[:2] = 0, 1
  x, arrays = inputs(name, lam=lam)
  mixed = compiled(name, jax.random.key(seed), x, arrays)
  assert_contract(name, x, mixed)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("batch,shape", ((1, (1, 7)), (2, (1, 1))))
def test_any_image_size(name, batch, shape):
  x, arrays = inputs(name, batch, shape, lam=0.4)
  mixed = jax.jit(functools.partial(mix, name))(KEY, x, arrays)
  assert_contract(name, x, mixed)
  assert np.all(np.isfinite(mixed.x)) and np.all(np.isfinite(mixed.weights))


@pytest.mark.parametrize("name", ALL)
def test_identical_images_stay_identical(name):
  x, arrays = inputs(name)
  x = jnp.broadcast_to(x[:1], x.shape)
  if name in MOVES_PIXELS:
    x = jnp.full_like(x, 0.3)
  assert_close(compiled(name, jax.random.key(3), x, arrays).x, x)


@pytest.mark.parametrize("name", ALL)
def test_lambda_one_returns_the_input(name):
  if "lam" not in options_of(name):
    pytest.skip(f"{name} has no lambda")
  x, arrays = inputs(name, lam=1.0)
  mixed = compiled(name, KEY, x, arrays)
  assert_close(mixed.x, x, 0)
  assert_close(mixed.weights[:, 0], jnp.ones(BATCH))


@pytest.mark.parametrize("name", ALL)
def test_compiled_and_eager_agree(name):
  key, (x, arrays) = jax.random.key(9), inputs(name)
  assert_close(compiled(name, key, x, arrays), mix(name, key, x, arrays))


# Programs of their own: a lambda that is drawn is a part of what they compile.
@pytest.mark.parametrize("name", ("mixup", "resizemix", "snapmix"))
def test_what_is_drawn_is_the_same_compiled(name):
  x, arrays = images(), guidance(name)
  draw = functools.partial(mix, name)
  assert_close(jax.jit(draw)(KEY, x, arrays), draw(KEY, x, arrays))


# JAX cannot check its loop when that is mapped over keys as well; without them
# it is checked in the next test.
UNCHECKED = frozenset({"puzzlemix"})


def sharded(f, *specs, **options):
  """The function of keys `[devices]`, on two devices with the default checks."""
  mesh = jax.sharding.Mesh(np.array(jax.devices()[:2]), ("devices",))
  return jax.shard_map(
      f, mesh=mesh, in_specs=specs, out_specs=Spec("devices"), **options
  )


@pytest.mark.parametrize("name", ALL)
def test_mapped_over_devices_and_keys_it_equals_a_loop(name):
  """Each shard is mixed by itself, with each of its keys."""
  keys, shard = jax.random.split(KEY, (2, 2)), Spec("devices")
  x, arrays = inputs(name, 2 * BATCH)
  mapped = jax.vmap(functools.partial(mix, name), (0, None, None))
  rows_first = lambda leaf: jnp.swapaxes(leaf, 0, 1)
  run = sharded(
      lambda k, *rest: jax.tree.map(rows_first, mapped(k[0], *rest)),
      *[shard] * 3, check_vma=name not in UNCHECKED,
  )
  mixed = jax.device_get(jax.jit(run)(keys, x, arrays))
  for i, j in np.ndindex(2, 2):
    rows = slice(i * BATCH, (i + 1) * BATCH)
    own = jax.tree.map(lambda leaf: leaf[rows], (x, arrays))
    one = jax.tree.map(lambda leaf: leaf[rows, j], mixed)
    assert_close(one, compiled(name, keys[i, j], *own))


@pytest.mark.parametrize("name", ALL)
def test_keys_images_or_guidance_may_be_the_same_on_all_devices(name):
  shard, same = Spec("devices"), Spec()
  for specs in (
      (shard, shard, shard), (same, shard, shard), (shard, same, same),
      (shard, shard, same), (same, shard, same),
  ):
    rows = [BATCH if spec == same else 2 * BATCH for spec in specs]
    keys = jax.random.split(KEY, 1 if specs[0] == same else 2)
    run = sharded(lambda k, *rest: mix(name, k[0], *rest), *specs)
    x, arrays = images(rows[1]), guidance(name, rows[2])
    mixed = jax.eval_shape(run, keys, x, arrays)
    assert mixed.x.shape == (2 * BATCH, *x.shape[1:])


@pytest.mark.parametrize("name", ALL)
def test_bfloat16_agrees_with_float32(name):
  x, arrays = inputs(name)
  half = x.astype(jnp.bfloat16)
  mixed = mix(name, KEY, half, arrays)
  assert mixed.x.dtype == jnp.bfloat16
  expected = compiled(name, KEY, half.astype(jnp.float32), arrays)
  assert_close(mixed.x.astype(jnp.float32), expected.x, 1e-2)
  assert_close(mixed.weights, expected.weights, 1e-6)


@pytest.mark.parametrize("name", ALL)
def test_permuting_rows_permutes_the_output(name):
  """With one draw per batch and the same partners, order does not matter."""
  order, partner = np.array([3, 0, 4, 1, 2]), np.array([1, 2, 3, 4, 0])
  inverse = np.argsort(order)
  if "partner" not in options_of(name):
    pytest.skip(f"{name} chooses its own partners")
  shared = {"per_batch": True} if "per_batch" in options_of(name) else {}
  x, guides = images(), guidance(name)
  mixed = mix(name, KEY, x, guides, partner=partner, **shared)
  permuted = mix(
      name, KEY, x[order], {k: v[order] for k, v in guides.items()},
      partner=inverse[partner[order]], **shared,
  )
  assert_close(permuted.x, mixed.x[order])
  assert_close(permuted.weights, mixed.weights[order])
  np.testing.assert_array_equal(order[permuted.sources], mixed.sources[order])


@pytest.mark.parametrize("name", ALL)
def test_gradients_through_the_mix_are_finite(name):
  lams = (None, 0.0, 0.5, 1.0) if "lam" in options_of(name) else (None,)
  for lam in lams:
    x, arrays = inputs(name, lam=lam)
    assert np.all(np.isfinite(program(name)(x, KEY, arrays)[0]))


@pytest.mark.parametrize("name", ALL)
def test_one_draw_per_batch_gives_one_weight(name):
  if not {"per_batch", "lam"} <= options_of(name) or guidance(name):
    pytest.skip(f"the weights of {name} depend on guidance")
  weights = mix(name, KEY, images(), {}, per_batch=True).weights
  assert_close(weights, jnp.broadcast_to(weights[:1], (BATCH, 2)))

"""FMix, GridMix and SmoothMix against loops and against their definitions."""

import functools
import itertools
import math

from hypothesis import given
from hypothesis import strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import mixers
from dmjax.mixers import _masks

SHAPE = (9, 14)


@functools.cache
def mixer(name, **options):
  return jax.jit(functools.partial(mixers.MIXERS[name], **options))


def black_and_white(shape=SHAPE, batch=6):
  """White rows whose partner, the row before, is black, and the reverse."""
  colour = (jnp.arange(batch) % 2).astype(jnp.float32).reshape(-1, 1, 1, 1)
  return jnp.broadcast_to(colour, (batch, *shape, 3))


@pytest.mark.parametrize("name", ("fmix", "gridmix", "smoothmix"))
@given(seed=st.integers(0, 2**31 - 1))
def test_weights_are_the_brightness_of_the_mix(name, seed):
  """The share of the white image is how white the mixture is."""
  x = black_and_white()
  mixed = mixer(name, partner="roll")(jax.random.key(seed), x)
  white = np.where(np.arange(6) % 2, mixed.weights[:, 0], mixed.weights[:, 1])
  np.testing.assert_allclose(mixed.x.mean((1, 2, 3)), white, atol=1e-5)


@given(lam=st.floats(0, 1, width=32), seed=st.integers(0, 2**31 - 1))
def test_fmix_keeps_lambda_to_one_pixel(lam, seed):
  pixels = math.prod(SHAPE)
  keys = jax.random.split(jax.random.key(seed), 6)
  counts = _fourier_masks(keys, jnp.full(6, lam)).sum((1, 2))
  exact = np.float32(lam) * np.float32(pixels)
  assert set(counts.tolist()) <= {math.floor(exact), math.ceil(exact)}


def test_fmix_rounds_up_half_of_the_time():
  keys = jax.random.split(jax.random.key(0), 512)
  counts = _fourier_masks(keys, jnp.full(512, 0.5 + 0.25 / 126)).sum((1, 2))
  assert set(counts.tolist()) == {63, 64}
  assert abs(np.mean(np.asarray(counts) == 64) - 0.5) < 0.1


@jax.jit
def _fourier_masks(keys, lam):
  mask = functools.partial(_masks._fourier_mask, shape=SHAPE, decay=3.0)
  return jax.vmap(mask)(keys, lam)


_largest = jax.jit(_masks._largest)


@given(
    values=st.lists(
        st.floats(width=32, allow_nan=False), min_size=6, max_size=6
    ),
    count=st.integers(0, 6),
)
def test_largest_agrees_with_sorting(values, count):
  # Of the two zeros -0.0 counts as the smaller one here.
  values = np.asarray(values, np.float32) + np.float32(0)
  marked = _largest(jnp.asarray(values), count)
  last = np.sort(values)[::-1][count - 1] if count else np.inf
  expected = (values >= last) if count else np.zeros(6, bool)
  np.testing.assert_array_equal(marked, expected)


def test_fmix_noise_has_a_two_dimensional_spectrum():
  """The power is that of the radius: the same along both axes and across."""
  noise = jax.jit(
      jax.vmap(lambda key: _masks._low_frequency_noise(key, (16, 16), 3.0))
  )(jax.random.split(jax.random.key(0), 2000))
  power = np.mean(np.abs(np.fft.fft2(np.asarray(noise, np.float64))) ** 2, 0)
  for row, column in itertools.product((1, 2, 3), (1, 2, 3)):
    # A spectrum of unit variance in each part has power 2 at radius 1/16.
    expected = 2.0 * 16**6 * (row**2 + column**2) ** -3
    assert power[row, column] == pytest.approx(expected, rel=0.15)
    assert power[-row, column] == pytest.approx(expected, rel=0.15)


def test_larger_decay_makes_rounder_shapes():
  @jax.jit
  def border(decay):
    noise = jax.vmap(
        lambda key: _masks._low_frequency_noise(key, (32, 32), decay)
    )(jax.random.split(jax.random.key(0), 32))
    return jnp.mean(jnp.diff(noise > 0, axis=1))

  assert border(1.0) > 2 * border(3.0) > 2 * 1.1 * border(6.0)


_holes = jax.jit(_masks._holes, static_argnums=0)


@given(data=st.data())
def test_grid_holes_agree_with_loops(data):
  sides = [data.draw(st.integers(1, n)) for n in SHAPE]
  start = [data.draw(st.integers(0, n - s)) for n, s in zip(SHAPE, sides)]
  cells = data.draw(st.integers(1, 6))
  lam = data.draw(st.sampled_from((0.0, 0.25, 0.6, 0.9, 1.0)))
  holes = _holes(SHAPE, jnp.array(start), jnp.array(sides), cells, lam)
  np.testing.assert_array_equal(holes, _loop_holes(start, sides, cells, lam))


def _loop_holes(start, sides, cells, lam):
  """Every hole painted in turn, as wide and as high as the region allows."""
  painted = np.zeros(SHAPE, bool)
  cell = math.ceil(sides[1] / cells)
  hole = min(max(int(cell * math.sqrt(1 - lam)), 1), cell - 1)
  bottom, right = start[0] + sides[0], start[1] + sides[1]
  for top in range(start[0], bottom, cell):
    for left in range(start[1], right, cell):
      if lam < 1:
        rows = slice(top, min(top + hole, bottom))
        painted[rows, left : min(left + hole, right)] = True
  return painted


def test_grid_regions_have_the_published_size_and_shape():
  keys = jax.random.split(jax.random.key(0), 500)

  def region(key):
    keys = jax.random.split(key)
    return _masks._region(*keys, (100, 100), (0.5, 1.0), (0.5, 2.0))

  height, width = np.asarray(jax.jit(jax.vmap(region))(keys)).T
  assert height.min() >= 49 and height.max() == 100
  inside = (height < 100) & (width < 100)
  area, aspect = height * width / 1e4, height / width
  assert np.all((area[inside] >= 0.48) & (area[inside] <= 1))
  assert np.all((aspect[inside] > 0.47) & (aspect[inside] < 2.05))


@given(seed=st.integers(0, 2**31 - 1))
def test_smoothmix_mask_is_one_minus_a_gaussian(seed):
  mixed = mixer("smoothmix")(jax.random.key(seed), black_and_white())
  side = math.sqrt(math.prod(SHAPE))
  for mask in np.asarray(mixed.mask[..., 0], np.float64):
    centre = np.unravel_index(np.argmin(mask), SHAPE)
    rows, columns = np.indices(SHAPE)
    squares = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2
    assert mask[centre] == 0
    near = (squares > 0) & (mask < 0.9)
    sigmas = np.sqrt(-squares[near] / (2 * np.log1p(-mask[near])))
    np.testing.assert_allclose(sigmas, sigmas[0], rtol=1e-4)
    assert 0.25 * side <= sigmas[0] * 1.0001 and sigmas[0] <= 0.5001 * side


@pytest.mark.parametrize(
    "name, options",
    (
        ("gridmix", {"holes": (0, 3)}),
        ("gridmix", {"area": (0.5, 1.5)}),
        ("gridmix", {"aspect": (2.0, 0.5)}),
        ("smoothmix", {"sigma": (0.0, 0.0)}),
    ),
)
def test_ranges_out_of_bounds_are_refused(name, options):
  with pytest.raises(ValueError, match=next(iter(options))):
    mixers.MIXERS[name](jax.random.key(0), black_and_white(), **options)

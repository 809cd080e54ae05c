"""ResizeMix and SnapMix against explicit cropping, resizing and pasting."""

import functools

from hypothesis import given
from hypothesis import strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import losses
from dmjax import mixers
from dmjax.mixers import _resize

SHAPE = (9, 14)
BATCH = 6


@functools.cache
def mixer(name, **options):
  return jax.jit(functools.partial(mixers.MIXERS[name], **options))


def images(batch=BATCH, shape=SHAPE, seed=0):
  return jax.random.uniform(jax.random.key(seed), (batch, *shape, 3))


def box_of(mask):
  """First and last corner of the zeros of a mask, or None."""
  rows, columns = np.nonzero(np.asarray(mask)[..., 0] == 0)
  if not rows.size:
    return None
  start = rows.min(), columns.min()
  return start, (rows.max() + 1, columns.max() + 1)


@given(seed=st.integers(0, 2**31 - 1))
def test_resizemix_agrees_with_resize_and_paste(seed):
  x = np.asarray(images())
  mixed = mixer("resizemix", partner="roll")(jax.random.key(seed), x)
  mixed = jax.device_get(mixed)
  for i in range(BATCH):
    expected, box = np.array(x[i]), box_of(mixed.mask[i])
    if box is not None:
      (top, left), (bottom, right) = box
      for row in range(top, bottom):
        for column in range(left, right):
          source = (row - top) * SHAPE[0] // (bottom - top)
          across = (column - left) * SHAPE[1] // (right - left)
          expected[row, column] = x[i - 1, source, across]
    np.testing.assert_array_equal(mixed.x[i], expected)


@pytest.mark.parametrize("alpha", (0.2, 1.0))
def test_resizemix_tau_is_beta_inside_the_scope_and_uniform_outside(alpha):
  rng, count = np.random.default_rng(0), 4000
  drawn = rng.beta(alpha, alpha, count)
  inside = (drawn >= 0.1) & (drawn <= 0.8)
  expected = np.where(inside, drawn, rng.uniform(0.1, 0.8, count))
  keys = jax.random.split(jax.random.key(0), count)
  betas = jax.random.beta(jax.random.key(1), alpha, alpha, (count,))
  tau = jax.vmap(lambda key, t: _resize._tau(key, t, (0.1, 0.8)))(keys, betas)
  assert np.all((tau >= 0.1) & (tau <= 0.8))
  grid = np.linspace(0.1, 0.8, 15)
  ours, theirs = (np.searchsorted(np.sort(t), grid) for t in (tau, expected))
  np.testing.assert_allclose(ours / count, theirs / count, atol=0.04)


def test_resizemix_boxes_are_at_most_tau_wide():
  x = images(64, (40, 20))
  mixed = mixer("resizemix", lam=0.75)(jax.random.key(0), x)  # tau = 1/2.
  masks = np.asarray(mixed.mask)
  sides = np.array([np.subtract(*box_of(m)[::-1]) for m in masks])
  assert sides.max(0).tolist() == [20, 10]
  np.testing.assert_allclose(mixed.weights[:, 1], sides.prod(1) / 800, 1e-6)


_resize_box = jax.jit(_resize._resize_box)


@given(data=st.data())
def test_bilinear_resize_of_a_box_agrees_with_that_of_a_crop(data):
  image = images(1)[0]
  source, to = _some_box(data), _some_box(data)
  resized = _resize_box(image, *jax.tree.map(jnp.asarray, (source, to)))
  rows, columns = (slice(*corners) for corners in zip(*source))
  shape = np.subtract(to[1], to[0])
  expected = jax.image.resize(
      image[rows, columns], (*shape, 3), "linear", antialias=False
  )
  rows, columns = (slice(*corners) for corners in zip(*to))
  np.testing.assert_allclose(resized[rows, columns], expected, atol=1e-5)


def _some_box(data):
  start = [data.draw(st.integers(0, n - 1)) for n in SHAPE]
  stop = [data.draw(st.integers(a + 1, n)) for a, n in zip(start, SHAPE)]
  return start, stop


@given(seed=st.integers(0, 2**31 - 1))
def test_snapmix_weights_are_what_is_seen_of_both_objects(seed):
  """The box of the partner is read off what was pasted: its coordinates."""
  rows, columns = np.indices(SHAPE, np.float32)
  x = jnp.broadcast_to(jnp.stack([rows, columns], -1), (BATCH, *SHAPE, 2))
  cam = np.asarray(jax.random.normal(jax.random.key(1), (BATCH, *SHAPE)))
  mixed = jax.device_get(mixer("snapmix", partner="roll", alpha=1.0)(
      jax.random.key(seed), x, cam=cam
  ))
  maps = cam - np.min(cam, axis=(1, 2), keepdims=True)
  maps = maps / maps.sum((1, 2), keepdims=True)
  for i in range(BATCH):
    box = box_of(mixed.mask[i])
    if box is None:
      np.testing.assert_allclose(mixed.weights[i], (1, 0), atol=1e-6)
      continue
    if 1 in np.subtract(box[1], box[0]):
      continue  # One pixel says where a box is, but not how wide.
    inside, pasted = _slices(*box), mixed.x[i][_slices(*box)]
    partner = _slices(*_source_box(pasted))
    own, other = maps[i][inside].sum(), maps[i - 1][partner].sum()
    np.testing.assert_allclose(mixed.weights[i], (1 - own, other), atol=1e-4)


def _slices(start, stop):
  return tuple(slice(int(a), int(b)) for a, b in zip(start, stop))


def _source_box(pasted):
  """The box that was resized, from the pasted (row, column) coordinates."""
  start, stop = [], []
  for axis in range(2):
    size, last = pasted.shape[axis], pasted[-1, -1, axis]
    first = pasted[0, 0, axis]
    side = last - first + 1
    if side > size:  # Shrunk: pixels lie inside the box, one step apart.
      side = (last - first) * size / (size - 1)
      first -= (side / size - 1) / 2
    start.append(round(float(first)))
    stop.append(round(float(first + side)))
  return start, stop


def test_snapmix_counts_area_where_a_map_is_flat():
  cam = jnp.full((BATCH, *SHAPE), 3.0)
  mixed = mixer("snapmix")(jax.random.key(0), images(), cam=cam, lam=0.5)
  area = mixed.mask.mean((1, 2, 3))
  np.testing.assert_allclose(mixed.weights[:, 0], area, atol=1e-6)
  assert np.any(np.abs(mixed.weights.sum(1) - 1) > 0.05)


def test_snapmix_pastes_nothing_from_or_into_an_empty_box():
  x, cam = images(), images()[..., 0]
  mixed = mixer("snapmix")(jax.random.key(0), x, cam=cam, lam=0.999)
  np.testing.assert_array_equal(mixed.x, x)
  np.testing.assert_allclose(mixed.weights, [[1, 0]] * BATCH, atol=1e-6)


def test_losses_take_weights_that_do_not_sum_to_one():
  cam = images()[..., 0]
  mixed = mixer("snapmix")(jax.random.key(0), images(), cam=cam, lam=0.4)
  logits = jax.random.normal(jax.random.key(2), (BATCH, 5))
  same = jnp.full((BATCH, 2), 3)
  expected = mixed.weights.sum(1) * -jax.nn.log_softmax(logits)[:, 3]
  for loss in (losses.mixup_cross_entropy, losses.decoupled_cross_entropy):
    value = jax.jit(loss)(logits, same, mixed.weights)
    np.testing.assert_allclose(value, expected, rtol=1e-5)


def test_misuse_is_refused():
  x, key = images(), jax.random.key(0)
  with pytest.raises(ValueError, match="scope"):
    mixers.resizemix(key, x, scope=(0.5, 1.5))
  with pytest.raises(ValueError, match="cam must be"):
    mixers.snapmix(key, x, cam=x)

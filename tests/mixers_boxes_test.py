"""Boxes: on short images, of sides drawn in a range, and what keys draw."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import mixers
from dmjax.mixers import _boxes

KEY = jax.random.key(0)
GUIDANCE = {"saliencymix": "saliency", "snapmix": "cam"}


@pytest.mark.parametrize(
    "name", ("cutmix", "resizemix", "saliencymix", "snapmix", "transmix")
)
def test_boxes_of_one_row_are_cut_along_it(name):
  x = jax.random.uniform(KEY, (64, 1, 40, 1))
  maps = {GUIDANCE[name]: x[..., 0]} if name in GUIDANCE else {}
  mixer = functools.partial(mixers.MIXERS[name], lam=0.5)
  mixed = jax.jit(mixer)(KEY, x, **maps)
  pasted = 40 * (1 - np.asarray(mixed.mask)).mean((1, 2, 3))
  # Half of the row, unless the end of the row cuts the box.
  assert pasted.max() == 20 and pasted.min() >= 10
  assert np.mean(pasted == 20) > 0.25
  if name != "snapmix":
    np.testing.assert_allclose(mixed.weights[:, 1], pasted / 40, atol=1e-6)


@functools.partial(jax.jit, static_argnums=0)
def cut(shape, lam):
  """The boxes of CutMix around each pixel, `[H W, H, W]`."""
  centres = jnp.indices(shape).reshape(2, -1).T
  return jax.vmap(lambda centre: _boxes.cut_box(shape, centre, lam))(centres)


@pytest.mark.parametrize("shape", ((1, 9), (2, 9)))
def test_boxes_on_a_line_have_the_share_asked_for_to_the_nearest_pixel(shape):
  for lam, pixels in ((0.0, 9), (0.4, 5), (0.9, 1), (1.0, 0)):
    boxes = np.asarray(cut(shape, lam))
    assert boxes.any(1).sum(1).max() == pixels
    np.testing.assert_array_equal(boxes.all(1), boxes.any(1))
    columns = np.asarray(cut(shape[::-1], lam)).swapaxes(1, 2)
    assert {b.tobytes() for b in columns} == {b.tobytes() for b in boxes}


@pytest.mark.parametrize("shape", ((1, 1), (2, 2)))
def test_where_no_axis_has_length_all_is_pasted_or_nothing(shape):
  for lam, pasted in ((0.2, True), (0.5, False), (1.0, False)):
    np.testing.assert_array_equal(cut(shape, lam), pasted)


def test_three_pixels_are_enough_for_the_box_of_the_paper():
  boxes = np.asarray(cut((3, 40), 0.5))
  assert boxes.sum((1, 2)).max() == 2 * 28  # int(3 / sqrt(2)), int(40 / sqrt(2)).


def test_a_key_draws_the_boxes_it_always_drew():
  """The draws of CutMix, and the rounding of its sides, written out."""
  mixed = mixers.cutmix(KEY, jnp.ones((6, 12, 20, 1)), lam=0.6)
  half = np.int32(np.float32([12, 20]) * np.sqrt(np.float32(0.4))) // 2
  keys = jax.random.split(jax.random.split(KEY, 3)[2], 6)
  for mask, key in zip(mixed.mask, keys):
    y, x = np.asarray(jax.random.randint(key, (2,), 0, jnp.array([12, 20])))
    expected = np.ones((12, 20), np.float32)
    rows, columns = (slice(max(c - h, 0), c + h) for c, h in zip((y, x), half))
    expected[rows, columns] = 0
    np.testing.assert_array_equal(mask[..., 0], expected)


MINMAX = (0.25, 0.7)  # 3 to 7 of 12 rows, 5 to 13 of 20 columns.


@functools.cache
def drawn_in_range():
  """Corners, sides and weights of many boxes, which are checked to be boxes."""
  mix = functools.partial(mixers.cutmix, minmax=MINMAX)
  mixed = jax.device_get(jax.jit(mix)(KEY, jnp.ones((4000, 12, 20, 1))))
  inside = mixed.mask[..., 0] == 0
  lines = inside.any(2), inside.any(1)
  sides = np.stack([line.sum(1) for line in lines], 1)
  corners = np.stack([line.argmax(1) for line in lines], 1)
  np.testing.assert_array_equal(inside.sum((1, 2)), sides.prod(1))
  return corners, sides, mixed.weights


def chi_square(values, classes):
  """The statistic of an even distribution over `range(classes)`."""
  counts = np.bincount(values, minlength=classes)
  expected = len(values) / classes
  return np.sum((counts - expected) ** 2) / expected


def test_sides_of_boxes_lie_evenly_in_the_range_and_apart():
  _, sides, _ = drawn_in_range()
  # From int(0.25 * 12) and int(0.25 * 20) to int(0.7 * 12) and int(0.7 * 20).
  low, end = np.array([3, 5]), np.array([8, 14])
  for side, first, stop in zip(sides.T, low, end):
    assert (side.min(), side.max()) == (first, stop - 1)
    # Ten degrees of freedom exceed 30 once in a thousand keys.
    assert chi_square(side - first, stop - first) < 30
  assert abs(np.corrcoef(sides.T)[0, 1]) < 0.06


def test_boxes_in_a_range_lie_evenly_inside_the_image():
  corners, sides, _ = drawn_in_range()
  assert np.all(corners + sides <= [12, 20])
  for axis, length, side in ((0, 12, 5), (1, 20, 9)):
    places = corners[sides[:, axis] == side, axis]
    assert chi_square(places, length - side + 1) < 35


def test_weights_of_boxes_in_a_range_equal_the_mask_mean():
  _, sides, weights = drawn_in_range()
  np.testing.assert_allclose(weights[:, 1], sides.prod(1) / 240, atol=1e-6)


def test_boxes_in_a_range_are_one_per_batch_and_the_same_mapped():
  x = jax.random.uniform(KEY, (3, 12, 20, 2))
  mix = functools.partial(mixers.cutmix, x=x, minmax=MINMAX, per_batch=True)
  keys = jax.random.split(KEY, 4)
  mapped = jax.jit(jax.vmap(lambda key: mix(key)))(keys)
  for key, mask, mixed in zip(keys, mapped.mask, mapped.x):
    one = mix(key)
    np.testing.assert_array_equal(mask, one.mask)
    np.testing.assert_array_equal(mixed, one.x)
    np.testing.assert_array_equal(mask[:1].repeat(3, 0), mask)
  assert len({mask.tobytes() for mask in np.asarray(mapped.mask)}) > 1


@pytest.mark.parametrize("minmax", (
    (0.5, 0.5), (0.6, 0.3), (-0.1, 0.5), (0.1, 1.2), (0.3,), 0.3, "wide",
    (float("nan"), 0.5),
))
def test_a_range_that_is_none_is_named(minmax):
  with pytest.raises(ValueError, match="minmax must be .low, high. with 0 <="):
    mixers.cutmix(KEY, jnp.ones((2, 12, 20, 1)), minmax=minmax)


def test_a_range_without_a_whole_pixel_is_named_with_the_image():
  with pytest.raises(ValueError, match=r"minmax=\(0.1, 0.16\) .* 12x40 pixels"):
    mixers.cutmix(KEY, jnp.ones((2, 12, 40, 1)), minmax=(0.1, 0.16))


def test_lambda_and_a_range_are_not_given_together():
  with pytest.raises(ValueError, match="lam and minmax are two ways"):
    mixers.cutmix(KEY, jnp.ones((2, 12, 20, 1)), lam=0.5, minmax=MINMAX)

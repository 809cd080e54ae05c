"""Occlusion and shifts of images against independent twins."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from dmjax.evaluate import probes
from dmjax.evaluate.probes import occlusion
from dmjax.evaluate.probes import shift
from dmjax.mixers import saliency

ROWS = 6
KEYS = jax.random.split(jax.random.key(0), ROWS)
SQUARE, WIDE = (16, 16, 3), (16, 20, 1)


@functools.cache
def images(shape=SQUARE):
  return jax.random.uniform(jax.random.key(1), (ROWS, *shape))


@functools.cache
def hide(order, shape=SQUARE):
  x = images(shape)
  run = jax.jit(functools.partial(occlusion.occlude, order=order))
  return lambda share: np.asarray(run(KEYS, x, jnp.float32(share)))


def hidden(order, share, shape=SQUARE):
  """Which pixels are hidden, `bool[B, H, W]`."""
  return np.any(hide(order, shape)(share) != images(shape), axis=-1)


def patches(pixels):
  """`bool[B, 64]` of masks of a square image: all of a patch, or none."""
  blocks = pixels.reshape(ROWS, 8, 2, 8, 2)
  assert np.all(blocks.all((2, 4)) == blocks.any((2, 4)))
  return blocks.any((2, 4)).reshape(ROWS, 64)


@pytest.mark.parametrize("order", ["random", "salient", "non-salient"])
def test_exactly_the_share_of_the_patches_is_hidden(order):
  for case in occlusion.cases(probes.Options()):
    if case.program == order:
      count = patches(hidden(order, case.setting["share"])).sum(1)
      np.testing.assert_array_equal(count, round(64 * case.place))


@pytest.mark.parametrize("order", ["random", "salient", "non-salient"])
def test_a_share_of_0_hides_nothing_and_one_of_1_everything(order):
  np.testing.assert_array_equal(hide(order)(0.0), images())
  assert hidden(order, 1.0).all()


def test_hidden_pixels_are_the_mean_grey_of_their_image():
  x, found, mask = images(), hide("random")(0.5), hidden("random", 0.5)
  for i in range(ROWS):
    np.testing.assert_allclose(found[i][mask[i]], np.mean(x[i]), rtol=1e-5)
    np.testing.assert_array_equal(found[i][~mask[i]], x[i][~mask[i]])


def test_salient_and_non_salient_orders_complement_each_other():
  for share in (0.25, 0.5, 0.75):
    first, last = hidden("salient", share), hidden("non-salient", 1 - share)
    np.testing.assert_array_equal(first, ~last)


def test_salient_patches_have_the_largest_mean_of_the_map():
  maps = np.asarray(saliency.spectral_residual(images()))
  means = maps.reshape(ROWS, 8, 2, 8, 2).mean((2, 4)).reshape(ROWS, 64)
  mask = patches(hidden("salient", 0.25))
  for mean, inside in zip(means, mask):
    assert mean[inside].min() >= mean[~inside].max() - 1e-6


def test_random_patches_differ_between_images_and_come_on_top_of_each_other():
  few, many = (patches(hidden("random", share)) for share in (0.3, 0.6))
  assert len({row.tobytes() for row in few}) == ROWS
  assert np.all(few <= many)


@pytest.mark.parametrize("side,sizes", [
    (1, [1]), (5, [1] * 5), (8, [1] * 8), (28, [4, 3, 4, 3] * 2),
    (32, [4] * 8), (224, [28] * 8),
])
def test_patches_are_an_eighth_of_the_side(side, sizes):
  assert sorted(np.bincount(occlusion._patches(side))) == sorted(sizes)


def test_images_of_any_size_are_occluded():
  for shape in ((5, 11, 1), (1, 2, 1)):
    assert hidden("salient", 1.0, shape).all()


def moves(how, shape=SQUARE):
  x, run = images(shape), jax.jit(functools.partial(shift.shift, how=how))
  return lambda amount: np.asarray(run(KEYS, x, jnp.float32(amount)))


def moved(image, direction):
  """A roll whose new rows and columns repeat the border."""
  down, right = direction
  rows, columns = (np.arange(n) for n in image.shape[:2])
  rows = np.clip(rows - down, 0, image.shape[0] - 1)
  columns = np.clip(columns - right, 0, image.shape[1] - 1)
  return image[rows][:, columns]


def test_whole_pixels_are_moved_in_one_of_four_directions():
  found, x = moves("translation", WIDE)(0.25), np.asarray(images(WIDE))
  ways = [(4, 0), (-4, 0), (0, 5), (0, -5)]
  same = functools.partial(np.allclose, atol=1e-6)
  taken = [
      [way for way in ways if same(moved(image, way), after)]
      for image, after in zip(x, found)
  ]
  assert all(len(one) == 1 for one in taken)
  assert len({one[0] for one in taken}) > 1


@pytest.mark.parametrize("how,amount", [
    ("translation", 0.0), ("rotation", 0.0), ("scale", 1.0),
])
@pytest.mark.parametrize("shape", [SQUARE, WIDE])
def test_nothing_changes_at_the_place_0(how, amount, shape):
  np.testing.assert_array_equal(moves(how, shape)(amount), images(shape))
  assert any(
      case.setting["amount"] == amount and case.place == 0
      for case in shift.cases(probes.Options())
      if case.program == how
  )


def test_a_rotation_by_90_degrees_is_a_quarter_turn_either_way():
  found = moves("rotation")(90.0)
  turns = []
  for image, turned in zip(np.asarray(images()), found):
    for k in (1, -1):
      if np.allclose(np.rot90(image, k), turned, atol=1e-4):
        turns.append(k)
  assert len(turns) == ROWS and set(turns) == {1, -1}


@pytest.mark.parametrize("factor", [0.7, 1.4])
def test_scaling_is_that_of_scipy_around_the_middle(factor):
  found = moves("scale", WIDE)(factor)
  middle = np.array([15, 19]) / 2
  for image, scaled in zip(np.asarray(images(WIDE)), found):
    expected = ndimage.affine_transform(
        image[..., 0], np.eye(2) / factor, middle - middle / factor,
        order=1, mode="nearest",
    )
    np.testing.assert_allclose(scaled[..., 0], expected, atol=1e-5)


def test_a_scale_above_1_enlarges():
  bar = np.zeros((16, 16, 1), np.float32)
  bar[6:10] = 1
  x = jnp.broadcast_to(bar, (ROWS, 16, 16, 1))
  sums = [shift.shift(KEYS, x, s, "scale").sum() for s in (0.7, 1.0, 1.4)]
  assert sums == sorted(sums) and sums[0] < sums[2]


@pytest.mark.parametrize("probe", [occlusion.PROBE, shift.PROBE])
def test_outcomes_do_not_depend_on_the_batch_and_numbers_are_traced(probe):
  weights = jax.random.normal(jax.random.key(2), (16 * 16 * 3, 4))
  model = probes.Model(
      lambda state, x: x.reshape(len(x), -1) @ weights, None, None, 4
  )
  data = {"x": images(), "label": jnp.arange(ROWS) % 4, "key": KEYS}
  cases = probe.cases(probes.Options())
  for name in dict.fromkeys(case.program for case in cases):
    run = jax.jit(probe.measure(model, name))
    settings = [
        jax.tree.map(jnp.float32, c.setting) for c in cases if c.program == name
    ]
    whole = [run(None, data, setting) for setting in settings][-2]
    assert run._cache_size() == 1
    for i in (0, ROWS - 1):
      row = jax.tree.map(lambda a: a[i : i + 1], data)
      one = run(None, row, settings[-2])
      for key, value in one.items():
        np.testing.assert_allclose(value, whole[key][i : i + 1], rtol=1e-4)

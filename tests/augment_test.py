"""Augmentation on the device, and the crops that exist on both sides."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image
from PIL import ImageEnhance
import pytest

from dmjax import augment
from dmjax.augment import _blends
from dmjax.augment import _crops
from dmjax.data import crops as host_crops

KEY = jax.random.key(0)
P = functools.partial


def picture(height=24, width=30):
  """Smooth colours with some noise, `uint8[H, W, 3]`."""
  rng = np.random.default_rng(0)
  rows, columns = np.mgrid[:height, :width]
  smooth = np.stack([rows * 8, columns * 6, (rows + columns) * 4], -1)
  pixels = smooth + rng.integers(0, 40, smooth.shape)
  return pixels.clip(0, 255).astype(np.uint8)


def unit(pixels, dtype=jnp.float32):
  return (jnp.asarray(pixels, jnp.float32) / 255).astype(dtype)


def batch(size=4, shape=(9, 14), channels=3, dtype=jnp.float32):
  pixels = unit(picture(*shape), dtype)[..., :channels]
  return jnp.broadcast_to(pixels, (size, *pixels.shape))


# Every random function, and all of them in a row.
FUNCTIONS = {
    "random_crop": P(augment.random_crop, padding=3),
    "zero_crop": P(augment.random_crop, padding=3, mode="constant"),
    "random_flip": augment.random_flip,
    "random_resized_crop": augment.random_resized_crop,
    "colour_jitter": P(augment.colour_jitter, strength=0.4),
    "random_erase": P(augment.random_erase, probability=0.5, area=(0.1, 0.3)),
    "cutout": P(augment.cutout, size=4, fill=(0.5,)),
    "random_cutout": P(augment.random_cutout, largest=0.6, fill=(0.5,)),
}
FUNCTIONS["chain"] = P(augment.chain, steps=tuple(FUNCTIONS.values()))
COMPILED = {name: jax.jit(function) for name, function in FUNCTIONS.items()}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_shape_and_dtype_are_kept_and_bfloat16_is_close(name):
  x = batch(16, dtype=jnp.bfloat16)
  half, full = (COMPILED[name](KEY, y) for y in (x, x.astype(jnp.float32)))
  assert half.shape == x.shape and half.dtype == x.dtype
  assert full.shape == x.shape and full.dtype == jnp.float32
  np.testing.assert_allclose(half.astype(full.dtype), full, atol=0.02)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_draws_follow_the_key_and_each_image_has_its_own(name):
  x = batch(16)
  changed = np.asarray(COMPILED[name](KEY, x))
  np.testing.assert_array_equal(changed, COMPILED[name](KEY, x))
  assert np.any(changed != COMPILED[name](jax.random.key(1), x))
  assert len(np.unique(changed, axis=0)) > (1 if name == "random_flip" else 4)
  others = COMPILED[name](KEY, x.at[1:].set(0.25))
  np.testing.assert_array_equal(changed[0], others[0])
  if name not in ("random_erase", "chain"):
    assert changed.min() >= 0 and changed.max() <= 1


@pytest.mark.parametrize("shape,channels", (((1, 1), 1), ((1, 6), 3)))
def test_any_size(shape, channels):
  x = batch(1, shape, channels)
  changed = COMPILED["chain"](KEY, x)
  assert changed.shape == x.shape and np.all(np.isfinite(changed))


def test_it_maps_over_devices():
  keys, x = jax.random.split(KEY, 2), batch(32)
  shards = jax.pmap(FUNCTIONS["chain"])(keys, x.reshape(2, 16, *x.shape[1:]))
  for key, shard in zip(keys, np.asarray(shards)):
    expected = COMPILED["chain"](key, x[:16])
    np.testing.assert_allclose(shard, expected, atol=1e-5)


@pytest.mark.parametrize("name", ("random_crop", "colour_jitter", "cutout"))
def test_eager_and_compiled_agree(name):
  x = batch(16)
  expected = COMPILED[name](KEY, x)
  np.testing.assert_allclose(FUNCTIONS[name](KEY, x), expected, atol=1e-6)


def test_a_chain_folds_the_number_of_the_step_into_the_key():
  step = lambda key, x: x + jax.random.uniform(key)
  ours = augment.chain(KEY, jnp.zeros(()), steps=(step, step))
  expected = sum(jax.random.uniform(jax.random.fold_in(KEY, i)) for i in (0, 1))
  np.testing.assert_allclose(ours, expected, rtol=1e-6)
  assert augment.chain(KEY, 3.0, steps=()) == 3.0


@pytest.mark.parametrize("mode", ("reflect", "constant"))
def test_a_crop_is_a_window_of_the_padded_image(mode):
  x = batch(200, (5, 6))
  cropped = jax.jit(P(augment.random_crop, padding=2, mode=mode))(KEY, x)
  padded = np.pad(x[0], ((2, 2), (2, 2), (0, 0)), mode=mode)
  windows = {
      padded[top : top + 5, left : left + 6].tobytes()
      for top in range(5)
      for left in range(5)
  }
  assert {image.tobytes() for image in np.asarray(cropped)} == windows


def test_no_padding_is_no_crop():
  assert augment.random_crop(KEY, x := batch(), padding=0) is x


def test_half_of_the_images_are_flipped():
  x = batch(400)
  flipped = np.asarray(COMPILED["random_flip"](KEY, x))
  same = (flipped == x).all((1, 2, 3))
  assert ((flipped == x[:, :, ::-1]).all((1, 2, 3)) ^ same).all()
  assert 0.4 < same.mean() < 0.6


crop_and_resize = jax.jit(_crops.crop_and_resize)


@pytest.mark.parametrize("box", (
    (2.5, 3.0, 12.25, 20.0), (0.0, 0.0, 24.0, 30.0)
))
def test_a_resized_box_is_that_of_pil(box):
  image = picture()
  top, left, height, width = box
  expected = Image.fromarray(image).resize(
      (30, 24), Image.Resampling.BICUBIC,
      (left, top, left + width, top + height),
  )
  ours = 255 * crop_and_resize(unit(image), jnp.asarray(box))
  # PIL rounds to whole grey levels after either pass.
  np.testing.assert_allclose(ours, np.asarray(expected), atol=2.0)


def test_random_boxes_keep_to_area_aspect_and_image():
  draws = jax.random.uniform(KEY, (500, 4, 10))
  shape, scale, ratio = (40, 30), (0.2, 0.7), (0.5, 2.0)
  boxes, fits = jax.vmap(
      lambda d: augment.first_fitting(jnp, d, shape, scale, ratio)
  )(draws)
  top, left, height, width = np.asarray(boxes)[np.asarray(fits)].T
  assert fits.mean() > 0.99
  assert (top >= 0).all() and (top + height <= 40 + 1e-3).all()
  assert (left >= 0).all() and (left + width <= 30 + 1e-3).all()
  area = height * width / 1200
  assert area.min() >= 0.2 - 1e-4 and area.max() <= 0.7 + 1e-4
  assert 0.5 - 1e-4 <= (width / height).min() < 0.6
  assert 1.6 < (width / height).max() <= 2 + 1e-4


def test_the_host_draws_the_boxes_of_the_device():
  draws = np.random.default_rng(0).uniform(size=(4, 10)).astype(np.float32)
  arguments = (draws, (17, 50), (0.08, 1.0), (3 / 4, 4 / 3))
  host, host_fits = augment.first_fitting(np, *arguments)
  device, device_fits = augment.first_fitting(jnp, *arguments)
  np.testing.assert_allclose(host, device, rtol=1e-4)
  assert host_fits == device_fits


def test_the_largest_central_box_stands_in_where_none_fits():
  box = augment.largest_central((4, 40), (3 / 4, 4 / 3))
  np.testing.assert_allclose(box, (0, 20 - 8 / 3, 4, 16 / 3))
  image = jnp.zeros((1, 4, 40, 1)).at[:, :, 17:23].set(0.8)
  crop = jax.jit(P(augment.random_resized_crop, scale=(1.0, 1.0)))
  cropped = crop(KEY, image)
  # 4 x 16/3 pixels around the middle, enlarged: the white strip fills it.
  assert float(cropped.min()) > 0.6


def test_the_host_crop_has_the_size_asked_for_and_follows_its_seed():
  image = Image.fromarray(picture(50, 70))
  crop = lambda seed: np.asarray(host_crops.random_resized_crop(
      np.random.default_rng(seed), image, 16
  ))
  assert crop(0).shape == (16, 16, 3)
  np.testing.assert_array_equal(crop(0), crop(0))
  assert np.any(crop(0) != crop(1))


def test_a_central_crop_after_resizing_leaves_the_margin_out():
  image = np.full((64, 64, 3), 255, np.uint8)
  image[8:-8, 8:-8] = 0
  square = host_crops.central_crop(Image.fromarray(image), 28, 32)
  assert square.size == (28, 28)
  inner = np.asarray(square)[4:-4, 4:-4]
  assert inner.max() == 0 and np.asarray(square)[0].min() > 200


@pytest.mark.parametrize("factor", (0.4, 1.0, 1.5))
def test_jitter_is_that_of_pil(factor):
  image = picture()
  theirs = {
      "brightness": ImageEnhance.Brightness,
      "contrast": ImageEnhance.Contrast,
      "colour": ImageEnhance.Color,
  }
  names = list(_blends.DEGENERATES)[:3]
  assert set(names) == set(theirs)  # What jitter draws from.
  for row, name in enumerate(names):
    expected = theirs[name](Image.fromarray(image)).enhance(factor)
    ours = 255 * _blends.enhance(unit(image), row, factor, count=3)
    # PIL truncates, and rounds its grey values.
    np.testing.assert_allclose(ours, np.asarray(expected), atol=2.0)


def test_jitter_differs_between_images_and_vanishes_at_strength_zero():
  x = batch()
  none = jax.jit(P(augment.colour_jitter, strength=0.0))(KEY, x)
  np.testing.assert_allclose(none, x, atol=1e-6)
  changed = np.asarray(COMPILED["colour_jitter"](KEY, x))
  assert changed.min() >= 0 and changed.max() <= 1
  assert all(np.abs(changed[0] - other).max() > 0.01 for other in changed[1:])


def test_erasing_fills_one_box_with_noise_as_often_as_asked():
  x = jnp.full((300, 20, 24, 3), 7.0)
  erase = P(augment.random_erase, probability=0.25)
  erased = np.asarray(jax.jit(erase)(KEY, x))
  touched = (erased != 7).any((1, 2, 3))
  assert 0.17 < touched.mean() < 0.33
  for image in erased[touched]:
    changed = (image != 7).all(-1)
    rows, columns = (np.flatnonzero(changed.any(axis)) for axis in (1, 0))
    box = changed[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    assert box.all() and changed.sum() == box.size
    assert 0.01 < box.size / 480 < 0.4
  noise = erased[erased != 7]
  assert abs(noise.mean()) < 0.05 and abs(noise.std() - 1) < 0.05


def test_noise_is_unit_noise_after_normalisation():
  mean, std = (0.4, 0.5, 0.6), (0.1, 0.2, 0.3)
  pixels = batch()
  erase = P(augment.random_erase, probability=1.0)
  shift, scale = jnp.asarray([mean, std]).reshape(2, 1, 1, 1, 3)
  normalise = lambda x: (x - shift) / scale
  ours = normalise(jax.jit(P(erase, mean=mean, std=std))(KEY, pixels))
  np.testing.assert_allclose(
      ours, jax.jit(erase)(KEY, normalise(pixels)), atol=1e-5
  )


def test_cutout_fills_a_square_that_may_be_cut_by_the_edge():
  x = jnp.ones((200, 12, 12, 3))
  fill = (0.25, 0.5, 0.75)
  cut = np.asarray(jax.jit(P(augment.cutout, size=4, fill=fill))(KEY, x))
  inside = (cut == np.array(fill)).all(-1)
  assert (inside | (cut == 1).all(-1)).all()
  areas = inside.sum((1, 2))
  assert areas.max() == 16 and set(areas) <= {4, 6, 8, 9, 12, 16}
  assert areas.min() < 16


@pytest.mark.parametrize("function,options,words", (
    ("random_crop", {"padding": -1}, "padding must lie in .*-1"),
    ("random_crop", {"padding": 2, "mode": "edge"}, "mode must be .*'edge'"),
    ("random_resized_crop", {"scale": (0.5, 1.5)}, "scale must be .*1.5"),
    ("random_resized_crop", {"ratio": (2, 1)}, r"ratio must be .*\(2, 1\)"),
    ("colour_jitter", {"strength": 1.5}, "strength must lie in .*1.5"),
    ("random_erase", {"probability": 2}, "probability must lie in .*2"),
    ("random_erase", {"probability": np.nan}, "probability must lie .*nan"),
    ("random_erase", {"probability": 1, "std": (1, 1)}, "std must hold one"),
    ("random_erase", {"probability": 1, "area": (0, 1)}, "area must be"),
    ("cutout", {"size": -2}, "size must lie in .*-2"),
    ("cutout", {"size": 2, "fill": (0, 0)}, "fill must hold one"),
    ("random_cutout", {"largest": 1.5}, "largest must lie in .*1.5"),
    ("random_cutout", {"fill": (0, 0)}, "fill must hold one"),
))
def test_misuse_is_named(function, options, words):
  function = getattr(augment, function)
  with pytest.raises(ValueError, match=words):
    function(KEY, batch(), **options)
  with pytest.raises(ValueError, match="x must be floating images"):
    function(KEY, picture()[None], **options)


def test_colour_needs_one_channel_or_three():
  with pytest.raises(ValueError, match=r"1 channel \(grey\) or 3 .*got 2"):
    augment.colour_jitter(KEY, batch(channels=2), strength=0.1)

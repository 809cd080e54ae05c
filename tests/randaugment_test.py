"""RandAugment against NumPy and PIL."""

import numpy as np
from PIL import Image
from PIL import ImageEnhance
from PIL import ImageFilter
from PIL import ImageOps
import pytest

from dmjax.data import randaugment

FILL = (124, 116, 104)


def picture():
  rng = np.random.default_rng(0)
  rows, columns = np.mgrid[:20, :26]
  smooth = np.stack([rows * 9, columns * 7, rows + columns], -1)
  pixels = smooth + rng.integers(30, 60, smooth.shape)
  return pixels.clip(0, 255).astype(np.uint8)


def apply(name, level, *, sign=1, increasing=True, pixels=None):
  image = Image.fromarray(picture() if pixels is None else pixels)
  operation = randaugment.OPERATIONS[name]
  changed = operation(
      image, level=level, sign=sign, increasing=increasing, fill=FILL
  )
  assert changed.size == image.size and changed.mode == image.mode
  return np.asarray(changed).astype(int)


def blend(degenerate, factor):
  """What an enhancement is, in whole grey levels."""
  image = picture().astype(float)
  return np.clip(degenerate + factor * (image - degenerate), 0, 255)


def grey():
  return np.asarray(Image.fromarray(picture()).convert("L")).astype(float)


@pytest.mark.parametrize("level,bits", ((0.0, 4), (0.5, 2), (0.9, 1), (1.0, 1)))
def test_posterize_keeps_the_upper_bits(level, bits):
  kept = picture() & (255 ^ (2 ** (8 - bits) - 1))
  np.testing.assert_array_equal(apply("posterize", level), kept)


@pytest.mark.parametrize("level", (0.0, 0.4, 1.0))
def test_solarize_inverts_above_a_falling_threshold(level):
  threshold = 256 - int(level * 256)
  pixels = picture().astype(int)
  expected = np.where(pixels >= threshold, 255 - pixels, pixels)
  np.testing.assert_array_equal(apply("solarize", level), expected)


def test_policies_that_do_not_increase_turn_the_level_around():
  pixels = picture().astype(int)
  np.testing.assert_array_equal(
      apply("solarize", 0.0, increasing=False), 255 - pixels
  )
  np.testing.assert_array_equal(
      apply("posterize", 0.0, increasing=False), pixels & 128
  )
  np.testing.assert_allclose(
      apply("brightness", 0.0, increasing=False), 0.1 * pixels, atol=1
  )


def test_solarize_add_lightens_the_dark_half():
  pixels = picture().astype(int)
  expected = np.where(pixels < 128, np.minimum(pixels + 55, 255), pixels)
  np.testing.assert_array_equal(apply("solarize_add", 0.5), expected)


def test_invert_is_255_minus_the_image():
  np.testing.assert_array_equal(apply("invert", 0.9), 255 - picture().astype(int))


@pytest.mark.parametrize(
    "name,function",
    (("auto_contrast", ImageOps.autocontrast), ("equalize", ImageOps.equalize)),
)
def test_operations_without_a_level_are_those_of_pil(name, function):
  expected = np.asarray(function(Image.fromarray(picture())))
  np.testing.assert_array_equal(apply(name, 0.3), expected)


def test_auto_contrast_fills_the_range_of_every_channel():
  pixels = picture().astype(float)
  low, high = pixels.min((0, 1)), pixels.max((0, 1))
  expected = (pixels - low) * 255 / (high - low)
  np.testing.assert_allclose(apply("auto_contrast", 0.0), expected, atol=1)


@pytest.mark.parametrize("sign", (-1, 1))
@pytest.mark.parametrize("level", (0.2, 0.9))
def test_enhancements_blend_with_what_they_take_away(sign, level):
  factor = max(0.1, 1 + sign * 0.9 * level)
  flat = Image.fromarray(picture()).filter(ImageFilter.SMOOTH)
  degenerates = {
      "brightness": np.zeros(()),
      "contrast": np.full((), round(grey().mean())),
      "colour": grey()[..., None],
      "sharpness": np.asarray(flat).astype(float),
  }
  for name, degenerate in degenerates.items():
    changed = apply(name, level, sign=sign)
    np.testing.assert_allclose(changed, blend(degenerate, factor), atol=1.01)


def test_a_translation_moves_the_image_and_fills_with_the_mean():
  level = 4 / (0.45 * 26)  # Four whole columns.
  changed = apply("translate_x", level)
  np.testing.assert_array_equal(changed[:, :-4], picture()[:, 4:])
  np.testing.assert_array_equal(changed[:, -3:], np.broadcast_to(FILL, (20, 3, 3)))
  level = 3 / (0.45 * 20)
  changed = apply("translate_y", level, sign=-1)
  np.testing.assert_array_equal(changed[3:], picture()[:-3])


@pytest.mark.parametrize("name,axis", (("shear_x", 1), ("shear_y", 0)))
def test_a_shear_moves_every_line_by_its_distance_from_the_corner(name, axis):
  ramp = np.zeros((20, 20, 3), np.uint8)
  ramp[:] = (10 * np.arange(20, dtype=np.uint8)).reshape((1, 20, 1))
  ramp = ramp if axis == 1 else ramp.swapaxes(0, 1)
  changed = apply(name, 1.0, pixels=ramp)
  changed = changed if axis == 1 else changed.swapaxes(0, 1)
  rows, columns = np.mgrid[2:18, 2:10]
  # Pixel centres lie at one half. PIL's cubic overshoots even on a ramp.
  expected = 10 * (columns + 0.3 * (rows + 0.5))
  np.testing.assert_allclose(changed[2:18, 2:10, 0], expected, atol=2)


def test_a_rotation_is_that_of_pil_and_opposite_signs_undo_each_other():
  image = Image.fromarray(picture())
  expected = image.rotate(15, Image.Resampling.BICUBIC, fillcolor=FILL)
  np.testing.assert_array_equal(apply("rotate", 0.5), np.asarray(expected))
  there = np.asarray(expected)
  back = apply("rotate", 0.5, sign=-1, pixels=there)
  inner = (slice(7, 13), slice(9, 17))
  assert np.abs(back[inner] - picture()[inner]).mean() < 15


def test_enhancers_are_those_of_pil():
  image = Image.fromarray(picture())
  for name, enhancer in (
      ("colour", ImageEnhance.Color), ("sharpness", ImageEnhance.Sharpness)
  ):
    expected = np.asarray(enhancer(image).enhance(1.45))
    np.testing.assert_array_equal(apply(name, 0.5), expected)


def test_policies_are_read_from_their_names():
  assert randaugment.parse("rand-m9-mstd0.5-inc1") == (9.0, 0.5, True, 2)
  assert randaugment.parse("rand-m6-n3") == (6.0, 0.0, False, 3)
  for bad in ("rand", "augmix-m3", "rand-m11", "rand-m9-x1", ""):
    with pytest.raises(ValueError, match="rand-m9-mstd0.5-inc1"):
      randaugment.parse(bad)


def test_a_policy_is_a_function_of_its_generator():
  policy = randaugment.parse("rand-m9-mstd0.5-inc1")
  image = Image.fromarray(picture())
  run = lambda seed: np.asarray(randaugment.rand_augment(
      np.random.default_rng(seed), image, policy, FILL
  ))
  np.testing.assert_array_equal(run(3), run(3))
  unchanged = np.mean([np.array_equal(run(s), picture()) for s in range(200)])
  # Neither of two operations is applied with probability 1/4.
  assert 0.17 < unchanged < 0.36


def test_grey_pictures_stay_grey():
  policy = randaugment.parse("rand-m9-mstd0.5-inc1")
  image = Image.fromarray(picture()[..., 0])
  for seed in range(40):
    rng = np.random.default_rng(seed)
    assert randaugment.rand_augment(rng, image, policy, FILL).mode == "L"

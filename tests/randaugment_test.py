"""RandAugment on the device against NumPy and PIL."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image
import pytest

from dmjax import augment
from dmjax.augment import _randaugment
from tests.pil_operations import apply
from tests.pil_operations import apply_numbers
from tests.pil_operations import check
from tests.pil_operations import ENHANCEMENTS
from tests.pil_operations import FILL
from tests.pil_operations import picture
from tests.pil_operations import PIL
from tests.pil_operations import unit

KEY = jax.random.key(0)
POLICY = augment.parse_policy("rand-m9-mstd0.5-inc1")
GEOMETRIC = ("rotate", "shear_x", "shear_y", "translate_x", "translate_y")
# Those that change nothing at level 0, if they grow with the level.
GROWING = GEOMETRIC + (
    "solarize", "solarize_add", "colour", "contrast", "brightness", "sharpness"
)


def apply_one(name, level, sign=1, space="timm_increasing"):
  return apply([name], [level], [sign], picture(), space)[0]


def factor(level, sign, _):
  return max(0.1, 1 + sign * 0.9 * level)


# What timm makes of level, sign and the side of the picture.
INCREASING = {
    **dict.fromkeys(("auto_contrast", "equalize", "invert"), lambda *_: None),
    **dict.fromkeys(ENHANCEMENTS, factor),
    "posterize": lambda level, *_: max(1, 4 - int(4 * level)),
    "solarize": lambda level, *_: 256 - int(256 * level),
    "solarize_add": lambda level, *_: int(110 * level),
    "rotate": lambda level, sign, _: 30 * sign * level,
    **dict.fromkeys(("shear_x", "shear_y"), lambda v, sign, _: 0.3 * sign * v),
    **dict.fromkeys(
        ("translate_x", "translate_y"),
        lambda level, sign, side: 0.45 * sign * level * side,
    ),
}
ARGUMENTS = {"timm_increasing": INCREASING, "timm": INCREASING | {
    **dict.fromkeys(ENHANCEMENTS, lambda level, *_: 0.1 + 1.8 * level),
    "posterize": lambda level, *_: max(1, int(4 * level)),
    "solarize": lambda level, *_: int(256 * level),
}}


def test_there_are_fifteen_operations_and_none():
  assert augment.OPERATIONS[:15] == augment.SPACES["timm"].operations
  assert augment.OPERATIONS[15:] == ("identity",)
  assert set(augment.OPERATIONS) == set(PIL)
  assert set(INCREASING) == set(PIL) - {"identity"}


@pytest.mark.parametrize("shape,space", (
    ((20, 26, 3), "timm_increasing"), ((19, 23, 3), "timm"),
    ((37, 23, 1), "timm_increasing"), ((5, 2, 3), "timm_increasing"),
))
def test_every_operation_is_that_of_pil(shape, space):
  levels = (0.0, 0.1, 0.35, 0.7, 0.93, 1.0)
  check(space, ARGUMENTS[space], picture(*shape), levels)


@pytest.mark.parametrize("pixels", (
    np.full((9, 9, 3), 77, np.uint8),
    np.array([[3, 3, 200], [3, 3, 3]], np.uint8)[..., None],
    np.arange(256, dtype=np.uint8).reshape(16, 16, 1),
    np.random.default_rng(0).choice(
        np.array((0, 9, 250, 255), np.uint8), (70, 40, 1)
    ),
), ids=("flat", "small", "ramp", "few"))
def test_curves_of_the_histogram_are_exactly_those_of_pil(pixels):
  names = ("auto_contrast", "equalize")
  image = Image.fromarray(pixels if pixels.shape[-1] == 3 else pixels[..., 0])
  ours = apply(names, [0.5] * 2, [1] * 2, pixels)
  for changed, name in zip(ours, names):
    expected = np.asarray(PIL[name](image, None)).reshape(pixels.shape)
    np.testing.assert_allclose(changed, expected, atol=1e-3)


def kept_bits(bits):
  return lambda pixels: pixels & (255 ^ (2 ** (8 - bits) - 1))


def inverted_from(threshold):
  return lambda pixels: np.where(pixels >= threshold, 255 - pixels, pixels)


def brightened(pixels):
  return np.where(pixels < 128, pixels + 55, pixels)


@pytest.mark.parametrize("name,level,space,expected", (
    ("posterize", 0.0, "timm_increasing", kept_bits(4)),
    ("posterize", 0.5, "timm_increasing", kept_bits(2)),
    ("posterize", 1.0, "timm_increasing", kept_bits(1)),
    ("posterize", 0.0, "timm", kept_bits(1)),
    ("posterize", 0.8, "timm", kept_bits(3)),
    ("solarize", 0.4, "timm_increasing", inverted_from(256 - 102)),
    ("solarize", 1.0, "timm_increasing", inverted_from(0)),
    ("solarize", 0.4, "timm", inverted_from(102)),
    ("invert", 0.9, "timm_increasing", lambda pixels: 255 - pixels),
    ("solarize_add", 0.5, "timm_increasing", brightened),
    ("brightness", 0.0, "timm", lambda pixels: 0.1 * pixels),
))
def test_operations_are_what_they_say(name, level, space, expected):
  changed = apply_one(name, level, space=space)
  expected = expected(picture().astype(int))
  np.testing.assert_allclose(changed, expected, atol=1e-3)


def test_auto_contrast_fills_the_range_of_every_channel():
  pixels = picture().astype(float)
  low, high = pixels.min((0, 1)), pixels.max((0, 1))
  expected = (pixels - low) * 255 / (high - low)
  np.testing.assert_allclose(apply_one("auto_contrast", 0), expected, atol=1)


@pytest.mark.parametrize("sign", (-1, 1))
@pytest.mark.parametrize("level", (0.2, 0.9))
def test_enhancements_blend_with_what_they_take_away(sign, level):
  image = picture().astype(float)
  grey = np.broadcast_to(
      (image @ (0.299, 0.587, 0.114))[..., None], image.shape
  )
  smooth = image.copy()
  for row in range(1, 19):
    for column in range(1, 25):
      around = image[row - 1 : row + 2, column - 1 : column + 2]
      smooth[row, column] = (around.sum((0, 1)) + 4 * image[row, column]) / 13
  degenerates = {
      "brightness": 0, "contrast": grey.mean(), "colour": grey,
      "sharpness": smooth,
  }
  for name, degenerate in degenerates.items():
    blended = degenerate + factor(level, sign, None) * (image - degenerate)
    changed = apply_one(name, level, sign)
    np.testing.assert_allclose(changed, blended.clip(0, 255), atol=0.01)


def test_a_translation_moves_the_image_and_fills_with_the_colour_given():
  changed = apply_one("translate_x", 4 / (0.45 * 26))  # Four whole columns.
  np.testing.assert_allclose(changed[:, :-4], picture()[:, 4:], atol=0.01)
  fill = np.broadcast_to(FILL, (20, 3, 3))
  np.testing.assert_allclose(changed[:, -3:], fill, atol=0.01)
  changed = apply_one("translate_y", 3 / (0.45 * 20), -1)
  np.testing.assert_allclose(changed[3:], picture()[:-3], atol=0.01)


@pytest.mark.parametrize("name,axis", (("shear_x", 1), ("shear_y", 0)))
def test_a_shear_moves_every_line_by_its_distance_from_the_corner(name, axis):
  ramp = np.zeros((20, 20, 3), np.uint8)
  ramp[:] = (10 * np.arange(20, dtype=np.uint8)).reshape((1, 20, 1))
  ramp = ramp if axis == 1 else ramp.swapaxes(0, 1)
  changed = apply([name], [1.0], [1], ramp)[0]
  changed = changed if axis == 1 else changed.swapaxes(0, 1)
  rows, columns = np.mgrid[2:18, 2:10]
  # Pixel centres lie at one half. This cubic overshoots even on a ramp.
  expected = 10 * (columns + 0.3 * (rows + 0.5))
  np.testing.assert_allclose(changed[2:18, 2:10, 0], expected, atol=2)


def test_rotations_of_opposite_signs_undo_each_other():
  rows, columns = np.mgrid[:20, :26] * 10
  pixels = np.stack([rows, columns, 255 - rows], -1).astype(np.uint8)
  there = apply(["rotate"], [0.5], [1], pixels)[0]
  back = apply(["rotate"], [0.5], [-1], np.round(there).astype(np.uint8))[0]
  errors = [np.abs(turned - pixels)[6:14, 8:18] for turned in (there, back)]
  assert errors[0].mean() > 5 and errors[1].mean() < 1


def test_growing_operations_change_nothing_at_magnitude_zero():
  count = len(GROWING)
  changed = apply(GROWING, [0.0] * count, [1] * count, picture())
  expected = np.broadcast_to(picture(), changed.shape)
  np.testing.assert_allclose(changed, expected, atol=1e-3)


@functools.partial(jax.jit, static_argnames="policy")
def run(key, x, policy=POLICY):
  return augment.rand_augment(key, x, policy=policy, fill=(0.5,))


def batch(size=200, dtype=jnp.float32, channels=3):
  pixels = picture(channels=channels)
  return jnp.broadcast_to(unit(pixels, dtype), (size, *pixels.shape))


draw = jax.jit(jax.vmap(functools.partial(_randaugment._draw, policy=POLICY)))


def test_operations_are_drawn_evenly_and_applied_half_the_time():
  number, level, sign = draw(jax.random.split(KEY, 20000))
  counts = np.bincount(np.asarray(number).ravel(), minlength=16) / 40000
  np.testing.assert_allclose(counts[15], 0.5, atol=0.01)
  np.testing.assert_allclose(counts[:15], 1 / 30, atol=0.005)
  assert level.max() == 1  # Clipped.
  np.testing.assert_allclose(np.mean(level < 0.85), 0.1587, atol=0.01)
  assert set(np.unique(sign)) == {-1, 1}
  np.testing.assert_allclose(np.mean(sign), 0, atol=0.02)


def test_what_is_drawn_is_applied_in_turn():
  number, level, sign = draw(jax.random.split(KEY, 200))
  x, apply = batch(), functools.partial(augment.apply_operation, fill=(0.5,))
  for i in range(POLICY.count):
    x = jax.jit(apply)(x, number[:, i], level[:, i], sign=sign[:, i])
  np.testing.assert_allclose(run(KEY, batch()), x, atol=1e-5)
  unchanged = np.all(np.abs(x - batch()) < 1e-5, axis=(1, 2, 3)).mean()
  # Neither of two operations is applied with probability 1/4.
  assert 0.17 < unchanged < 0.36


def test_every_image_has_operations_of_its_own():
  x, other = batch(), batch().at[1:].set(0.25)
  changed = run(KEY, x)
  np.testing.assert_array_equal(changed[0], run(KEY, other)[0])
  assert len(np.unique(np.asarray(changed), axis=0)) > 80


@pytest.mark.parametrize("channels,dtype", (
    (1, jnp.bfloat16), (3, jnp.bfloat16), (3, jnp.float32)
))
def test_it_stays_in_range_and_keeps_the_dtype(channels, dtype):
  changed = run(KEY, batch(dtype=dtype, channels=channels))
  assert changed.dtype == dtype
  assert changed.min() >= 0 and changed.max() <= 1


def test_bfloat16_is_close_to_float32():
  half = batch(dtype=jnp.bfloat16)
  error = np.abs(run(KEY, half) - run(KEY, half.astype(jnp.float32)))
  assert error.max() < 0.002  # Half the distance of numbers below 1.


def test_eager_and_mapped_agree():
  """Over two keys on each of two devices, with the default checks."""
  keys, x = jax.random.split(KEY, 4), batch(12).reshape(4, 3, 20, 26, 3)
  plain = functools.partial(augment.rand_augment, policy=POLICY, fill=(0.5,))
  mesh = jax.sharding.Mesh(np.array(jax.devices()[:2]), ("devices",))
  rows = jax.sharding.PartitionSpec("devices")
  mapped = jax.jit(jax.shard_map(
      jax.vmap(plain), mesh=mesh, in_specs=rows, out_specs=rows
  ))(keys, x)
  error = np.abs(plain(keys[1], x[1]) - mapped[1])
  # Rounding decides about thresholds and steps now and then.
  assert error.mean() < 1e-4 and np.mean(error > 1e-5) < 0.002


def test_names_and_numbers_mean_the_same():
  x = batch(2)
  named = functools.partial(augment.apply_operation, operation="invert")
  number = augment.OPERATIONS.index("invert")
  by_number = apply_numbers(x, number, 0.5, 1)
  np.testing.assert_allclose(by_number, 1 - x, atol=1e-6)
  np.testing.assert_array_equal(jax.jit(named)(x, level=0.5), by_number)
  none = apply_numbers(x, len(augment.OPERATIONS) - 1, 0.5, 1)
  np.testing.assert_array_equal(none, x)


def test_misuse_is_named():
  x = batch(2)
  with pytest.raises(ValueError, match="operation must be one of .*'blur'"):
    augment.apply_operation(x, "blur", 0.5)
  with pytest.raises(ValueError, match="space must be one of .*'wide'"):
    augment.apply_operation(x, "invert", 0.5, space="wide")
  with pytest.raises(ValueError, match="space must be one of .*'3a'"):
    augment.rand_augment(KEY, x, policy=augment.Policy("3a"), fill=(0.5,))
  with pytest.raises(ValueError, match="fill must hold one value"):
    augment.rand_augment(KEY, x, policy=POLICY, fill=(0.5, 0.5))
  with pytest.raises(ValueError, match=r"1 channel \(grey\) or 3"):
    augment.rand_augment(KEY, x[..., :2], policy=POLICY, fill=(0.5,))
  with pytest.raises(ValueError, match="x must be floating images"):
    augment.rand_augment(KEY, picture()[None], policy=POLICY, fill=(0.5,))

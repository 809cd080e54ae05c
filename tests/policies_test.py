"""The policies beside timm's: those of OpenMixup, FixMatch, TrivialAugment."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import augment
from dmjax.augment import _randaugment
from tests import pil_operations
from tests.pil_operations import ENHANCEMENTS
from tests.pil_operations import picture
from tests.pil_operations import unit

KEY = jax.random.key(0)
OPENMIXUP, FIXMATCH, TRIVIAL = map(
    augment.parse_policy, ("openmixup-m7-mstd0.5", "fixmatch", "trivial")
)
POLICIES = OPENMIXUP, FIXMATCH, TRIVIAL
by_space = pytest.mark.parametrize("policy", POLICIES, ids=lambda p: p.space)


def arguments(factor, bits, threshold, degrees, shear, pixels):
  """By name, what an operation of PIL is given for level, sign and side."""
  return {
      **dict.fromkeys(("auto_contrast", "equalize", "identity"), lambda *_: 0),
      **dict.fromkeys(ENHANCEMENTS, factor),
      "posterize": bits,
      "solarize": threshold,
      "rotate": degrees,
      **dict.fromkeys(("shear_x", "shear_y"), shear),
      **dict.fromkeys(("translate_x", "translate_y"), pixels),
  }


ARGUMENTS = {
    "openmixup": arguments(
        factor=lambda v, sign, _: 1 + sign * (0.05 + 0.9 * v),
        bits=lambda v, *_: math.floor(4 + 4 * v),
        threshold=lambda v, *_: 256 * (1 - v),
        degrees=lambda v, sign, _: sign * 30 * v,
        shear=lambda v, sign, _: sign * 0.3 * v,
        pixels=lambda v, sign, side: sign * 0.3 * v * side,
    ),
    "fixmatch": arguments(
        factor=lambda v, *_: 0.05 + 0.9 * v,
        bits=lambda v, *_: int(4 + 4 * v),
        threshold=lambda v, *_: 256 * v,
        degrees=lambda v, *_: -30 + 60 * v,
        shear=lambda v, *_: -0.3 + 0.6 * v,
        pixels=lambda v, _, side: (-0.3 + 0.6 * v) * side,
    ),
    "trivial": arguments(
        factor=lambda v, sign, _: 1 + sign * 0.99 * v,
        bits=lambda v, *_: 8 - round(6 * v),
        threshold=lambda v, *_: 255 * (1 - v),
        degrees=lambda v, sign, _: sign * 135 * v,
        shear=lambda v, sign, _: sign * 0.99 * v,
        pixels=lambda v, sign, _: sign * int(32 * v),
    ),
}


@by_space
def test_every_operation_is_that_of_pil(policy):
  table = ARGUMENTS[policy.space]
  assert set(table) == set(augment.SPACES[policy.space].operations)
  pil_operations.check(policy.space, table, picture(), (0.0, 0.35, 0.95))


def test_all_levels_of_trivial_augment_are_exact():
  ramp = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
  bins, ones, values = np.arange(31), np.ones(31), ramp.astype(int)
  compute = functools.partial(
      pil_operations.apply, levels=bins / 30, signs=ones, pixels=ramp,
      space="trivial",
  )
  # Thresholds of 255 (1 - bin / 30), in halves.
  inverted = 2 * values >= 17 * (30 - bins).reshape(-1, 1, 1, 1)
  expected = np.where(inverted, 255 - values, values)
  np.testing.assert_allclose(compute(["solarize"] * 31), expected, atol=1e-3)
  step = 2 ** ((bins + 2) // 5).reshape(-1, 1, 1, 1)
  expected = values // step * step
  np.testing.assert_allclose(compute(["posterize"] * 31), expected, atol=1e-3)


def test_translations_of_trivial_augment_are_of_whole_pixels():
  moved = pil_operations.apply(
      ["translate_x", "translate_y"], [0.3, 0.3], [1, -1], picture(), "trivial"
  )
  np.testing.assert_allclose(moved[0][:, :-9], picture()[:, 9:], atol=0.01)
  np.testing.assert_allclose(moved[1][9:], picture()[:-9], atol=0.01)


@by_space
def test_identity_changes_nothing(policy):
  x = jax.random.uniform(KEY, (2, 20, 26, 3))
  number = augment.OPERATIONS.index("identity")
  changed = pil_operations.apply_numbers(x, number, 0.7, 1, policy.space)
  np.testing.assert_array_equal(changed, x)


def draw(policy, count=20000):
  one = functools.partial(_randaugment._draw, policy=policy)
  return jax.device_get(jax.vmap(one)(jax.random.split(KEY, count)))


@by_space
def test_the_fourteen_operations_are_drawn_evenly(policy):
  numbers, _, sign = draw(policy)
  counts = np.bincount(numbers.ravel(), minlength=16) / numbers.size
  names = set(augment.OPERATIONS) - {"invert", "solarize_add", "identity"}
  share = 1 / 28 if policy == OPENMIXUP else 1 / 14
  for name, found in zip(augment.OPERATIONS, counts):
    expected = share if name in names else 0
    if name == "identity":
      expected = 1 - 13 * share
    np.testing.assert_allclose(found, expected, atol=0.008)
  np.testing.assert_allclose(np.mean(sign), 0, atol=0.02)


def test_levels_are_those_of_the_policy():
  levels = [draw(policy)[1] for policy in POLICIES]
  assert [level.shape[1] for level in levels] == [2, 3, 1]
  np.testing.assert_allclose(levels[0].mean(), 0.7, atol=0.002)
  np.testing.assert_allclose(levels[0].std(), 0.05, atol=0.002)
  assert levels[1].min() >= 0 and levels[1].max() < 1
  shares = np.histogram(levels[1], 10, (0, 1))[0] / levels[1].size
  np.testing.assert_allclose(shares, 0.1, atol=0.01)
  bins, counts = np.unique(levels[2], return_counts=True)
  np.testing.assert_allclose(bins, np.arange(31) / 30, atol=1e-6)
  np.testing.assert_allclose(counts / 20000, 1 / 31, atol=0.006)


def test_magnitudes_are_clipped():
  levels = draw(OPENMIXUP._replace(magnitude=10.0, std=30.0), 500)[1]
  assert levels.min() == 0 and levels.max() == 1


@by_space
def test_what_is_drawn_is_applied_in_turn(policy):
  x = y = jnp.broadcast_to(unit(picture()), (60, 20, 26, 3))
  fill = tuple(f / 255 for f in pil_operations.FILL)
  run = functools.partial(augment.rand_augment, policy=policy, fill=fill)
  for number, level, sign in zip(*map(np.transpose, draw(policy, 60))):
    x = pil_operations.apply_numbers(x, number, level, sign, policy.space)
  changed = jax.jit(run)(KEY, y)
  np.testing.assert_allclose(changed, x, atol=1e-5)
  assert changed.min() >= 0 and changed.max() <= 1


def test_policies_are_read_from_their_names():
  for text, expected in {
      "rand-m9-mstd0.5-inc1": ("timm_increasing", 9.0, 0.5, 2),
      "rand-m9-mstd0.5": ("timm", 9.0, 0.5, 2),
      "rand-m6-n3": ("timm", 6.0, 0.0, 3),
      "openmixup-m7-mstd0.5": ("openmixup", 7.0, 0.5, 2),
      "openmixup-n1-m7": ("openmixup", 7.0, 0.0, 1),
      "fixmatch": ("fixmatch", 0.0, 0.0, 3),
      "fixmatch-n2": ("fixmatch", 0.0, 0.0, 2),
      "trivial": ("trivial", 0.0, 0.0, 1),
      "3a": ("3a", 0.0, 0.0, 1),
  }.items():
    assert augment.parse_policy(text) == expected


@pytest.mark.parametrize("text,reason", (
    ("", ""), ("augmix-m3", ""), ("rand-m9-x1", ""), ("rand-m9-", ""),
    ("rand", "magnitude in [0, 10]"), ("rand-m11", "magnitude in [0, 10]"),
    ("openmixup-mstd0.5", "magnitude in [0, 10]"),
    ("openmixup-m7-inc1", "openmixup has no inc"),
    ("fixmatch-m3-mstd0.5", "fixmatch has no m and no mstd"),
    ("trivial-n2", "trivial has no n"), ("3a-m9", "3a has no m"),
    ("rand-m9-n0", "1 or more"), ("fixmatch-n2.5", "1 or more"),
))
def test_what_is_no_policy_is_refused_with_all_that_are(text, reason):
  with pytest.raises(ValueError) as error:
    augment.parse_policy(text)
  message = str(error.value)
  assert message.startswith("data.auto_augment must be a policy")
  assert repr(text) in message and reason in message
  for name in ("rand-m9-mstd0.5-inc1", "openmixup-m7-mstd0.5", "fixmatch-n3",
               "trivial", "3a"):
    assert repr(name) in message

"""The square of a random side that the strong view ends with."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import augment

KEY = jax.random.key(0)
FILL = (0.25, 0.5, 0.75)


def cut(largest, shape=(20, 20), count=2000):
  """`bool[count, H, W]`: the pixels that are filled; the others stay 1."""
  x = jnp.ones((count, *shape, 3))
  options = {"largest": largest, "fill": FILL}
  function = jax.jit(functools.partial(augment.random_cutout, **options))
  found = np.asarray(function(KEY, x))
  filled = (found == np.float32(FILL)).all(-1)
  assert (filled | (found == 1).all(-1)).all()
  return filled


def sides(filled):
  """Rows and columns of each image that the box reaches, `[B, 2]`."""
  return np.stack([filled.any(axis).sum(-1) for axis in (2, 1)], 1)


@pytest.mark.parametrize("largest", (0.3, 0.5, 1.0))
def test_the_share_that_is_cut_lies_within_the_largest_square(largest):
  filled = cut(largest)
  # A side of s covers s pixels, rounded up or down.
  most = (np.ceil(20 * largest) / 20) ** 2
  share = filled.mean((1, 2))
  assert share.min() == 0 and 0.8 * most < share.max() <= most


def test_what_is_cut_is_one_box():
  filled = cut(0.5)
  np.testing.assert_array_equal(filled.sum((1, 2)), sides(filled).prod(1))


def test_sides_are_uniform():
  """Of squares that no edge cuts: rows 0 and 19 stay, and columns too."""
  filled = cut(0.5, (200, 200), 400)
  edges = (filled[:, (0, -1)].any((1, 2)), filled[..., (0, -1)].any((1, 2)))
  found = sides(filled)
  assert (np.abs(found[:, 0] - found[:, 1])[~edges[0] & ~edges[1]] <= 1).all()
  # Edges are met by more of the large ones: all, as if nothing were cut off.
  longest = np.where(edges[0] & edges[1], np.nan, found.max(1))
  assert 45 < np.nanmean(longest) < 55
  assert np.nanmin(longest) < 5 and 95 < np.nanmax(longest) <= 101
  quartiles = np.nanquantile(longest, (0.25, 0.5, 0.75))
  np.testing.assert_allclose(quartiles, (25, 50, 75), atol=8)


def test_the_square_is_as_likely_anywhere():
  """Its middle may be any pixel, so that edges cut some of it off."""
  often = cut(0.5).mean(0)
  inner, corner = often[8:12, 8:12].mean(), often[0, 0]
  # Mean of s^2 over 400, for s uniform up to 10; a quarter is left in corners.
  assert inner == pytest.approx(100 / 3 / 400, rel=0.15)
  assert 0.2 * inner < corner < 0.5 * inner


def test_the_shorter_side_bounds_the_square():
  assert sides(cut(0.5, (8, 40), 200)).max() <= 5


def test_none_is_cut_where_the_largest_is_zero():
  x = jax.random.uniform(KEY, (4, 6, 6, 1))
  np.testing.assert_array_equal(augment.random_cutout(KEY, x, largest=0.0), x)

"""The grid solver against enumeration and against graph cuts."""

import itertools
import os
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import mixers
from dmjax.mixers import _grids

SHARED = pathlib.Path(
    os.environ.get("DMJAX_SHARED", pathlib.Path(__file__).parents[2] / "shared")
)
GOLDEN = SHARED / "golden" / "puzzlemix.npz"
needs_golden = pytest.mark.skipif(
    not GOLDEN.exists(), reason=f"golden values not found at {GOLDEN}"
)

solve = jax.jit(mixers.grid_labels, static_argnames="iterations")


def squared(labels):
  return np.array([
      [(a - b) ** 2 / (labels - 1) ** 2 for b in range(labels)]
      for a in range(labels)
  ])


def energy(unary, rows, cols, distance, labels):
  """The energy of one grid, term by term."""
  total, (height, width) = 0.0, labels.shape
  for i, j in itertools.product(range(height), range(width)):
    total += unary[i, j, labels[i, j]]
    if i + 1 < height:
      total += rows[i, j] * distance[labels[i, j], labels[i + 1, j]]
    if j + 1 < width:
      total += cols[i, j] * distance[labels[i, j], labels[i, j + 1]]
  return total


def energies_of_all(unary, rows, cols, distance):
  """The energies of all labellings of one grid."""
  height, width, count = unary.shape
  cells = np.indices((count,) * (height * width)).reshape(height, width, -1)
  total = sum(
      unary[i, j][cells[i, j]]
      for i, j in itertools.product(range(height), range(width))
  )
  total = total + np.sum(
      rows[..., None] * distance[cells[:-1], cells[1:]], axis=(0, 1)
  )
  return total + np.sum(
      cols[..., None] * distance[cells[:, :-1], cells[:, 1:]], axis=(0, 1)
  )


def problems(batch, side, labels, seed=0):
  rng = np.random.default_rng(seed)
  return (
      rng.random((batch, side, side, labels)).astype(np.float32),
      rng.random((batch, side - 1, side)).astype(np.float32),
      rng.random((batch, side, side - 1)).astype(np.float32),
  )


@pytest.mark.parametrize("side", (2, 3))
@pytest.mark.parametrize("labels", (2, 3))
@pytest.mark.parametrize("potts", (False, True))
def test_small_grids_are_solved_as_by_enumeration(side, labels, potts):
  """Exactly in 9 of 10 hard random grids, and within .5 % on average.

  Sweeps alone solve 2 to 8 of 10, at 4 to 17 % above the optimum.
  """
  data = problems(100, side, labels)
  distance = 1 - np.eye(labels) if potts else squared(labels)
  found = np.asarray(
      solve(*data, distance=jnp.asarray(distance) if potts else None)
  )
  assert found.dtype == np.int32 and found.shape == (100, side, side)
  best = np.array([energies_of_all(*one, distance).min() for one in zip(*data)])
  got = np.array([
      energy(*one, distance, labels) for *one, labels in zip(*data, found)
  ])
  assert np.all(got >= best - 1e-4)
  assert np.mean(got <= best + 1e-4) >= 0.9
  assert got.mean() <= best.mean() * 1.005


def test_grids_of_one_row_are_solved_exactly():
  """Without loops, message passing is dynamic programming."""
  unary, _, cols = (a[:, :1] for a in problems(40, 6, 3, seed=1))
  rows = np.zeros((40, 0, 6), np.float32)
  found = np.asarray(solve(unary, rows, cols))
  for one in zip(unary, rows, cols, found):
    best = energies_of_all(*one[:3], squared(3)).min()
    assert energy(*one[:3], squared(3), one[3]) == pytest.approx(best, abs=1e-5)


def test_uncoupled_cells_take_their_cheapest_label():
  unary, rows, cols = problems(3, 4, 5)
  found = solve(unary, 0 * rows, 0 * cols)
  np.testing.assert_array_equal(found, unary.argmin(-1))


def test_strong_coupling_makes_a_grid_uniform():
  unary, rows, cols = problems(3, 4, 3)
  found = np.asarray(solve(unary, rows + 100, cols + 100))
  best = unary.sum((1, 2)).argmin(-1)
  np.testing.assert_array_equal(
      found, np.broadcast_to(best[:, None, None], found.shape)
  )


@needs_golden
@pytest.mark.parametrize("blocks", (4, 8, 16))
@pytest.mark.parametrize("lam", (0.3, 0.5, 0.8))
def test_energy_is_within_two_permille_of_graph_cuts(blocks, lam):
  with np.load(GOLDEN) as golden:
    name = f"n{blocks}_lam{lam}_"
    data = [golden[name + k] for k in ("unary", "pair_rows", "pair_cols")]
    mask, expected = golden[name + "mask"], golden[name + "energy"]
  # The convention of the stored energies is the one used here.
  stored = np.rint(2 - 2 * mask).astype(int)
  assert energy(
      *(a[0] for a in data), squared(3), stored[0]
  ) == pytest.approx(expected[0], rel=1e-5)
  found = np.asarray(solve(*data))
  got = [energy(*one, squared(3), l) for *one, l in zip(*data, found)]
  assert np.mean(got) <= 1.002 * np.mean(expected)


def test_misfits_are_named():
  unary, rows, cols = problems(2, 4, 3)
  with pytest.raises(ValueError, match="unary"):
    mixers.grid_labels(unary[0], rows, cols)
  with pytest.raises(ValueError, match="pair_rows"):
    mixers.grid_labels(unary, cols, cols)
  with pytest.raises(ValueError, match="pair_cols"):
    mixers.grid_labels(unary, rows, rows)
  with pytest.raises(ValueError, match="distance"):
    mixers.grid_labels(unary, rows, cols, distance=jnp.eye(4))


@pytest.mark.parametrize("side, blocks", ((12, 4), (13, 4), (7, 7), (9, 1)))
def test_blocks_cover_every_pixel_evenly(side, blocks):
  blocks_of = np.asarray(_grids.block_of_pixel(side, blocks))
  assert np.all(np.diff(blocks_of) >= 0)
  counts = np.bincount(blocks_of, minlength=blocks)
  assert len(counts) == blocks and counts.max() - counts.min() <= 1
  if side % blocks == 0:
    np.testing.assert_array_equal(
        blocks_of, np.repeat(np.arange(blocks), side // blocks)
    )


def test_block_means_average_the_pixels_of_each_block():
  images = np.random.default_rng(0).random((2, 7, 10)).astype(np.float32)
  rows, columns = np.arange(7) * 3 // 7, np.arange(10) * 5 // 10
  expected = np.zeros((2, 3, 5))
  for i, j in itertools.product(range(3), range(5)):
    block = images[:, rows == i][:, :, columns == j]
    expected[:, i, j] = block.mean(axis=(1, 2))
  np.testing.assert_allclose(
      _grids.block_means(images, 3, 5), expected, atol=1e-6
  )


def test_shares_of_an_empty_map_are_zero():
  shares = _grids.block_shares(jnp.zeros((1, 8, 8)), 4, 4)
  np.testing.assert_array_equal(shares, 0)

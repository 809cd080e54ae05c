"""Puzzle Mix: its energy, its masks and the transport of tiles."""

import functools
import itertools
import os
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import mixers
from dmjax.mixers import _puzzle
from dmjax.mixers import _tiles

SHARED = pathlib.Path(
    os.environ.get("DMJAX_SHARED", pathlib.Path(__file__).parents[2] / "shared")
)
GOLDEN = SHARED / "golden" / "puzzlemix.npz"
needs_golden = pytest.mark.skipif(
    not GOLDEN.exists(), reason=f"golden values not found at {GOLDEN}"
)


def images(batch, height=16, width=16, seed=0):
  rng = np.random.default_rng(seed)
  return rng.random((batch, height, width, 3)).astype(np.float32)


def maps(batch, height=16, width=16, seed=1):
  return images(batch, height, width, seed)[..., 0] ** 4 + 0.01


@needs_golden
@pytest.mark.parametrize("blocks", (4, 8, 16))
@pytest.mark.parametrize("lam", (0.3, 0.5, 0.8))
def test_energy_equals_that_of_the_reference(blocks, lam):
  with np.load(GOLDEN) as golden:
    x = golden["images"].astype(np.float32) / 255
    saliency, partner = golden["saliency"], golden["partner"]
    expected = [
        golden[f"n{blocks}_lam{lam}_{k}"]
        for k in ("unary", "pair_rows", "pair_cols")
    ]
  energy = functools.partial(
      _puzzle._energy, blocks=blocks, levels=3, cell=4, weights=(1.2, 0.5, 0.2)
  )
  got = jax.jit(jax.vmap(energy))(
      x, x[partner], saliency, saliency[partner], jnp.full(len(x), lam)
  )
  for a, b in zip(got, expected, strict=True):
    np.testing.assert_allclose(a, b, atol=1e-6)


def border(pair, blocks, p, q, s, t):
  """Difference of colours across the border of blocks p and q, cell by cell."""
  side = pair.shape[1] // blocks
  cell = min(4, side)
  means = pair.reshape(2, -1, cell, pair.shape[2] // cell, cell, 3)
  means = means.mean(axis=(2, 4))
  per_block = side // cell
  total = 0.0
  for k in range(per_block):
    if p[0] != q[0]:
      at = (q[0] * per_block - 1, p[1] * per_block + k)
      to = (q[0] * per_block, p[1] * per_block + k)
    else:
      at = (p[0] * per_block + k, q[1] * per_block - 1)
      to = (p[0] * per_block + k, q[1] * per_block)
    total += np.abs(means[s][at] - means[t][to]).mean()
  return total / per_block


@pytest.mark.parametrize("side", (6, 16))
def test_energy_of_binary_masks_is_the_table_of_seams(side):
  """All masks of 2 x 2 blocks, up to one constant."""
  x, saliency = images(2, side, side), maps(2, side, side)
  beta, gamma, eta, lam, blocks = 1.2, 0.5, 0.2, 0.4, 2
  unary, rows, cols = map(np.asarray, _puzzle._energy(
      x[0], x[1], saliency[0], saliency[1], lam,
      blocks=blocks, levels=2, cell=4, weights=(beta, gamma, eta),
  ))
  shares = saliency.reshape(2, 2, side // 2, 2, side // 2).mean(axis=(2, 4))
  shares = shares / shares.sum(axis=(1, 2), keepdims=True)
  smooth, log_prior = beta / 32, np.log(np.array([1 - lam, lam]) + 1e-8)
  cells = list(itertools.product(range(2), range(2)))
  edges = [((0, 0), (1, 0)), ((0, 1), (1, 1)), ((0, 0), (0, 1)),
           ((1, 0), (1, 1))]
  gaps = []
  for bits in itertools.product((0, 1), repeat=4):
    m = dict(zip(cells, bits))
    direct = sum(
        shares[1 if m[p] else 0][p] - eta / 4 * log_prior[m[p]] for p in cells
    )
    form = sum(unary[(*p, 1 - m[p])] for p in cells)
    for p, q in edges:
      # Index 0 of x is the image that m = 1 shows.
      seam = border(x, blocks, p, q, 1 - m[p], 1 - m[q])
      direct += smooth * ((m[p] != m[q]) + gamma * seam)
      pair = rows[0, p[1]] if p[0] != q[0] else cols[p[0], 0]
      form += pair * (m[p] - m[q]) ** 2
    gaps.append(form - direct)
  if side == 16:  # cells of 4 pixels; 3-pixel blocks are one cell each
    assert rows.shape == (1, 2) and cols.shape == (2, 1)
  np.testing.assert_allclose(gaps, gaps[0], atol=1e-6)


@functools.cache
def mixer(**options):
  return jax.jit(functools.partial(mixers.puzzlemix, **options))


def test_each_image_shows_where_it_alone_is_salient():
  x = images(2)
  saliency = np.full((2, 16, 16), 0.01, np.float32)
  saliency[0, :, :8] = saliency[1, :, 8:] = 1
  mixed = mixer(blocks=4, partner="flip")(
      jax.random.key(0), x, saliency=saliency, lam=0.5
  )
  expected = np.zeros((2, 16, 16, 1))
  expected[0, :, :8] = expected[1, :, 8:] = 1
  np.testing.assert_array_equal(mixed.mask, expected)


def test_lambda_is_one_per_row_and_moves_the_masks():
  x, lam = images(5), jnp.array([0.0, 0.1, 0.5, 0.9, 1.0])
  mixed = mixer(blocks=4)(
      jax.random.key(0), x, saliency=np.ones((5, 16, 16), np.float32), lam=lam
  )
  assert np.all(np.diff(mixed.weights[:, 0]) >= 0)
  np.testing.assert_array_equal(mixed.weights[jnp.array([0, 4]), 0], [0, 1])
  np.testing.assert_array_equal(mixed.x[0], x[mixed.sources[0, 1]])


def test_number_of_blocks_is_drawn_once_per_call():
  x, saliency = images(4), maps(4)
  seen = set()
  for seed in range(16):
    mask = np.asarray(mixer(blocks=(2, 8))(
        jax.random.key(seed), x, saliency=saliency, lam=0.5
    ).mask)
    quarters = mask.reshape(4, 2, 8, 2, 8)
    eighths = mask.reshape(4, 8, 2, 8, 2)
    assert np.all(np.ptp(eighths, axis=(2, 4)) == 0)
    seen.add(bool(np.all(np.ptp(quarters, axis=(2, 4)) == 0)))
  assert seen == {True, False}


def test_any_size_is_mixed_without_cropping():
  x, saliency = images(3, 15, 22), maps(3, 15, 22)
  mixed = mixer(blocks=4)(jax.random.key(0), x, saliency=saliency)
  mask = np.asarray(mixed.mask)
  np.testing.assert_allclose(
      mixed.x, mask * x + (1 - mask) * x[mixed.sources[:, 1]], atol=1e-6
  )
  assert set(np.unique(mask)) <= {0.0, 0.5, 1.0}


def test_normalised_images_give_the_same_masks():
  x, saliency = images(4), maps(4)
  mean = jnp.array([0.5, 0.4, 0.3])[None, None, None]
  std = jnp.array([0.2, 0.3, 0.1])[None, None, None]
  options = {"saliency": saliency, "blocks": 4, "lam": 0.5}
  raw = mixers.puzzlemix(jax.random.key(0), x, **options)
  normalised = mixers.puzzlemix(
      jax.random.key(0), (x - mean) / std, std=std[0, 0, 0], **options
  )
  np.testing.assert_array_equal(raw.mask, normalised.mask)


def literal_assignment(share, shown, price):
  """The bidding of tiles, one tile at a time."""
  side, price = share.shape[0], np.float32(price)
  places = list(itertools.product(range(side), range(side)))
  cost = np.array([
      [
          price * sum(
              np.float32((a - b) ** 2 / (side - 1) ** 2) for a, b in zip(i, j)
          )
          - share[i] * shown[j]
          for j in places
      ]
      for i in places
  ], np.float32)
  for _ in range(side):
    wishes = [int(np.argmin(row)) for row in cost]
    owner = {}
    for tile, place in enumerate(wishes):
      rival = owner.get(place)
      if rival is None or cost[tile, place] < cost[rival, place]:
        owner[place] = tile
    for tile, place in enumerate(wishes):
      if owner[place] != tile:
        cost[tile, place] += 1
  return np.array([owner.get(p, p) for p in range(side**2)])


@pytest.mark.parametrize("price", (0.8, 0.02))
def test_tiles_move_as_in_a_literal_auction(price):
  rng = np.random.default_rng(0)
  moved = 0
  for _ in range(5):
    share = rng.random((4, 4)).astype(np.float32) ** 6
    share /= share.sum()
    shown = rng.random((4, 4)) < 0.4
    got = np.asarray(_tiles._assign(jnp.asarray(share), shown, price=price))
    expected = literal_assignment(share, shown, price)
    np.testing.assert_array_equal(got.reshape(-1), expected)
    moved += np.sum(expected != np.arange(16))
  assert moved > 0


def test_transport_moves_whole_tiles_to_where_they_show():
  """The one salient tile of the image goes to the one place that shows it."""
  saliency = np.zeros((1, 16, 16), np.float32)
  saliency[0, :4, :4] = 1
  share = np.zeros((1, 4, 4), np.float32)
  share[0, 2, 3] = 1
  index = _tiles.moves(share, saliency, tile=None, price=0.1)
  x = images(1)
  moved = _tiles.gather(jnp.asarray(x), index)
  np.testing.assert_array_equal(moved[0, 8:12, 12:], x[0, :4, :4])


def test_transport_keeps_masks_and_shows_pixels_of_both_images():
  x, saliency = images(4), maps(4)
  options = {"saliency": saliency, "blocks": 4, "lam": 0.5}
  still = mixers.puzzlemix(jax.random.key(0), x, **options)
  moved = mixers.puzzlemix(
      jax.random.key(0), x, transport=True, tile=2, transport_cost=0.001,
      **options,
  )
  np.testing.assert_array_equal(still.mask, moved.mask)
  assert np.any(still.x != moved.x)
  row = int(moved.sources[0, 1])
  shown = np.asarray(moved.x[0])[np.asarray(moved.mask)[0, ..., 0] == 0]
  pixels = {tuple(p) for p in x[row].reshape(-1, 3)}
  assert len(shown) and all(tuple(p) in pixels for p in shown)


def test_misuse_is_named():
  key, x, saliency = jax.random.key(0), images(2), maps(2)
  with pytest.raises(ValueError, match="saliency"):
    mixers.puzzlemix(key, x, saliency=saliency[:, :8])
  with pytest.raises(ValueError, match="blocks"):
    mixers.puzzlemix(key, x, saliency=saliency, blocks=(4, 32))
  with pytest.raises(ValueError, match="levels"):
    mixers.puzzlemix(key, x, saliency=saliency, levels=1)
  with pytest.raises(ValueError, match="transport"):
    mixers.puzzlemix(key, x, saliency=saliency, blocks=3, transport=True)

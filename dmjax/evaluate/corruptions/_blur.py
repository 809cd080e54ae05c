"""Blurs."""

import jax
import jax.numpy as jnp
import numpy as np

from dmjax.evaluate.corruptions import _constants
from dmjax.evaluate.corruptions import _resampling

# Radius of the disk, and standard deviation of what smooths it.
_DEFOCUS = (
    ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
    ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
)
# Standard deviation of a blur, pixels that a pixel comes from at most, rounds.
_GLASS = (
    ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
    ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
)
# Radius and standard deviation.
_MOTION = (
    ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
    ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
)
# End and step of the factors, which start at 1.
_ZOOM = (
    ((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),
    ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
)


def defocus_blur(
    key: jax.Array, image: jax.Array, severity: jax.Array
) -> jax.Array:
  """Convolves with a disk, reflecting the image at its edge."""
  del key
  table = _constants.published(image, *_DEFOCUS)
  kernel = _constants.at(_stack([_disk(*row) for row in table]), severity)
  reach = kernel.shape[0] // 2
  margin = ((reach, reach), (reach, reach), (0, 0))
  padded = jnp.pad(image, margin, mode="reflect")
  blurred = jax.lax.conv(
      padded.transpose(2, 0, 1)[:, None], kernel[None, None], (1, 1), "VALID",
      precision=jax.lax.Precision.HIGHEST,
  )
  return jnp.clip(blurred[:, 0].transpose(1, 2, 0), 0, 1)


def _disk(radius, sigma):
  """The pixels of a disk, smoothed by 3 x 3 of a Gaussian, or 5 x 5 above 8."""
  reach, half = (8, 1) if radius <= 8 else (int(radius), 2)
  line = np.arange(-reach, reach + 1) ** 2
  disk = (line[:, None] + line <= radius**2).astype(np.float64)
  taps = np.exp(-0.5 * (np.arange(-half, half + 1) / sigma) ** 2)
  smooth = np.outer(taps, taps) / taps.sum() ** 2
  padded = np.pad(disk / disk.sum(), half, mode="reflect")
  windows = np.lib.stride_tricks.sliding_window_view(padded, smooth.shape)
  return np.einsum("ijkl,kl->ij", windows, smooth)


def _stack(kernels):
  """Kernels in the smallest window that holds what counts of each."""
  offsets = [np.argwhere(k > 1e-9) - len(k) // 2 for k in kernels]
  reach = np.abs(np.concatenate(offsets)).max()
  inner = [slice(len(k) // 2, len(k) // 2 + 2 * reach + 1) for k in kernels]
  return np.stack([np.pad(k, reach)[s, s] for k, s in zip(kernels, inner)])


def glass_blur(
    key: jax.Array, image: jax.Array, severity: jax.Array
) -> jax.Array:
  """Blurs, has pixels replaced by near ones, and blurs again.

  The published code swaps pixels one after another, from the last to the first.
  NumPy's views turn its swap into a copy, and so the published images were
  made: a pixel takes what a near one holds by then. The order matters only
  where that one comes later. Such chains are followed in parallel, by doubling.
  """
  rounds = int(_constants.published(image, *_GLASS)[:, 2].max())
  draws = jax.random.uniform(key, (rounds, 2, *image.shape[:2]))
  return _glass(image, draws, severity)


def _glass(image, draws, severity):
  """With draws in [0, 1), `[rounds, 2, H, W]`, of moves along `y` and `x`."""
  table = _constants.published(image, *_GLASS)
  blur = lambda side: _resampling.blur_matrices(side, table[:, 0], 4.0, "edge")
  rows, columns = _constants.of_sides(image, severity, blur)
  _, reach, rounds = _constants.at(table, severity)
  image = _resampling.separable(image, rows, columns)
  for done, draw in enumerate(draws):
    moves = jnp.floor(2 * reach * draw) - reach
    moved = _move(image, moves, reach, chains=table[:, 1].max() > 1)
    image = jnp.where(done < rounds, moved, image)
  return jnp.clip(_resampling.separable(image, rows, columns), 0, 1)


def _move(image, moves, reach, chains):
  """Takes inner pixels from others, which may be later ones with `chains`."""
  height, width, channels = image.shape
  y, x = np.indices((height, width))
  own = np.arange(height * width)
  inner = (np.minimum(y, x) > reach) & (y <= height - reach)
  inner &= x <= width - reach
  source = (y + moves[0]) * width + x + moves[1]
  source = jnp.where(inner, source, y * width + x).astype(jnp.int32).ravel()
  if chains:
    source = _follow(source, inner.ravel()[source] & (source > own))
  return image.reshape(-1, channels)[source].reshape(image.shape)


def _follow(source, replaced):
  """Where values come from at last, some of their sources being replaced."""
  size = len(source)
  # Behind the places, which hold new values, are the old ones.
  link = jnp.where(replaced, source, source + size)
  link = jnp.concatenate([link, np.arange(size, 2 * size, dtype=np.int32)])
  for _ in range(size.bit_length()):
    link = link[link]
  return link[:size] - size


def motion_blur(
    key: jax.Array, image: jax.Array, severity: jax.Array
) -> jax.Array:
  """Smears along a line, see `trail`, at an angle uniform in [-45, 45]."""
  angle = jax.random.uniform(key, (), minval=-45.0, maxval=45.0)
  return _motion(image, angle, severity)


def _motion(image, angle, severity):
  table = _constants.published(image, *_MOTION)
  radius, sigma = _constants.at(table, severity)
  longest = int(table[:, 0].max())
  smeared = _resampling.trail(image, angle, radius, sigma, longest)
  return jnp.clip(smeared, 0, 1)


def zoom_blur(
    key: jax.Array, image: jax.Array, severity: jax.Array
) -> jax.Array:
  """The mean of the image and of it magnified by factors from 1 on."""
  del key
  counts, zooms = _zooms(_constants.published(image, *_ZOOM))
  places = lambda side: _resampling.zoom_places(side, zooms)
  rows, columns = _constants.of_sides(image, severity, places)
  count = _constants.at(counts, severity)

  def add(i, total):
    return total + _resampling.read_at(image, rows[i], columns[i])

  total = jax.lax.fori_loop(0, count.astype(jnp.int32), add, image)
  return jnp.clip(total / (count + 1), 0, 1)


def _zooms(table):
  """Numbers of factors, `[5]`, and the factors, filled up with 1."""
  zooms = [np.arange(1, end, step) for end, step in table]
  counts = np.array([len(factors) for factors in zooms])
  padded = np.ones((len(zooms), counts.max()))
  for row, factors in zip(padded, zooms):
    row[: len(factors)] = factors
  return counts, padded

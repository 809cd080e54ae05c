"""Mixers with a mask that no image takes part in: shapes from noise."""

import functools

import jax
import jax.numpy as jnp

from dmjax.mixers import _boxes
from dmjax.mixers import _checks
from dmjax.mixers import _core


def fmix(
    key: jax.Array,
    x: jax.Array,
    *,
    alpha: float = 1.0,
    lam: jax.typing.ArrayLike | None = None,
    partner: str | jax.typing.ArrayLike = "permutation",
    per_batch: bool = False,
    decay: float = 3.0,
) -> _core.Mixed:
  """Masks of any shape, cut out of low-frequency noise (arXiv 2002.12047).

      G  = irfft2( Z / max(|f|, 1 / max(H, W))**decay ),   Z complex normal
      M  = 1 on the lam * H * W largest pixels of G,  0 on the rest
      x~ = M x_i + (1 - M) x_j,   lam ~ Beta(alpha, alpha)

  The number of pixels is rounded up or down with equal odds, as published. The
  authors' code fills two rows of the spectrum only, which makes masks that
  hardly vary along one axis; here the spectrum is two-dimensional, as in the
  paper. The reference draws one mask per batch; that is `per_batch=True`.

  Args:
    key: PRNG key.
    x: Images `[B, H, W, C]`, floating.
    alpha: lambda ~ Beta(alpha, alpha); 1 in the paper.
    lam: Fixes lambda instead, a scalar or `[B]`.
    partner: `permutation`, `roll`, `flip` or `int[B]`.
    per_batch: One lambda and one mask for the whole batch.
    decay: How fast the spectrum falls; the larger, the rounder the shapes.

  Returns:
    The mixed batch; its mask is 0 or 1, with mean lambda up to one pixel.

  Raises:
    ValueError: For a negative decay.

  Example:
    >>> key = jax.random.key(0)
    >>> x = jax.random.uniform(key, (4, 8, 8, 3))
    >>> mixed = mixers.fmix(key, x, lam=0.75)
    >>> print(mixed.weights[0], mixed.mask.shape)
    [0.75 0.25] (4, 8, 8, 1)
  """
  _core.check_images(x)
  _checks.check_number("decay", decay)
  pairs = _core.draw(
      key, x, alpha=alpha, lam=lam, partner=partner, per_batch=per_batch
  )
  mask = functools.partial(_fourier_mask, shape=x.shape[1:3], decay=decay)
  return _core.mix_by_mask(
      x, pairs.partner, jax.vmap(mask)(pairs.keys, pairs.lam)
  )


def gridmix(
    key: jax.Array,
    x: jax.Array,
    *,
    alpha: float = 1.0,
    lam: jax.typing.ArrayLike | None = None,
    partner: str | jax.typing.ArrayLike = "permutation",
    per_batch: bool = False,
    holes: tuple[int, int] = (2, 6),
    area: tuple[float, float] = (0.5, 1.0),
    aspect: tuple[float, float] = (0.5, 2.0),
) -> _core.Mixed:
  """Regular holes through which the partner shows (GridMixup).

      x~ = M x_i + (1 - M) x_j,   M = 0 in the holes of a grid

  A random region of the image is divided into square cells, `n` of them along
  its width, n uniform over `holes`. The upper left corner of each cell is a
  square hole of side `floor(cell * sqrt(1 - lam))`, between 1 and `cell - 1`,
  and there is no hole for lambda = 1. This is the form of
  https://github.com/IlyaDobrynin/GridMixup that OpenMixup benchmarks under the
  name of GridMix; the paper of that name (Pattern Recognition 109, 2021) draws
  whole cells and adds a loss for each of them.
  A region that its aspect makes longer than the image is cut to fit before it
  is placed, where the reference lets it start outside.

  Args:
    key: PRNG key.
    x: Images `[B, H, W, C]`, floating.
    alpha: lambda ~ Beta(alpha, alpha).
    lam: Fixes lambda instead, a scalar or `[B]`.
    partner: `permutation`, `roll`, `flip` or `int[B]`.
    per_batch: One lambda and one grid for the whole batch.
    holes: Smallest and largest number of cells along the width of the region.
    area: Range of the region's share of the image.
    aspect: Range of the region's height over its width.

  Returns:
    The mixed batch; its mask is 0 in the holes and 1 elsewhere.

  Raises:
    ValueError: For ranges that are empty or out of bounds.

  Example:
    >>> key = jax.random.key(0)
    >>> x = jax.random.uniform(key, (4, 8, 8, 3))
    >>> mixed = mixers.gridmix(key, x, lam=0.75)
    >>> print(mixed.x.shape, mixed.mask.shape)
    (4, 8, 8, 3) (4, 8, 8, 1)
  """
  _core.check_images(x)
  _check_range("holes", holes, 1)
  _check_range("area", area, 0, 1)
  _check_range("aspect", aspect, 0)
  pairs = _core.draw(
      key, x, alpha=alpha, lam=lam, partner=partner, per_batch=per_batch
  )
  mask = functools.partial(
      _grid_mask, shape=x.shape[1:3], holes=holes, area=area, aspect=aspect
  )
  return _core.mix_by_mask(
      x, pairs.partner, jax.vmap(mask)(pairs.keys, pairs.lam)
  )


def smoothmix(
    key: jax.Array,
    x: jax.Array,
    *,
    partner: str | jax.typing.ArrayLike = "permutation",
    per_batch: bool = False,
    sigma: tuple[float, float] = (0.25, 0.5),
) -> _core.Mixed:
  """Blends the partner in under a Gaussian (SmoothMix, CVPR workshops 2020).

      x~ = (1 - G) x_i + G x_j,   G(u) = exp(-|u - c|**2 / (2 s**2))

  The centre c is uniform over the pixels and s uniform over `sigma` times the
  side of the image (`sqrt(H W)`). They alone decide the weights, so there is no
  lambda to draw: the share of the row itself is `1 - mean(G)`. OpenMixup gives
  it `mean(G)`, which exchanges the two labels; published SmoothMix rows of
  that benchmark may suffer from it.

  Args:
    key: PRNG key.
    x: Images `[B, H, W, C]`, floating.
    partner: `permutation`, `roll`, `flip` or `int[B]`.
    per_batch: One Gaussian for the whole batch.
    sigma: Range of the width of the Gaussian, in sides of the image.

  Returns:
    The mixed batch; its mask is `1 - G`.

  Raises:
    ValueError: For a range that is empty or not positive.

  Example:
    >>> key = jax.random.key(0)
    >>> x = jax.random.uniform(key, (4, 8, 8, 3))
    >>> mixed = mixers.smoothmix(key, x)
    >>> print(mixed.x.shape, mixed.mask.shape)
    (4, 8, 8, 3) (4, 8, 8, 1)
  """
  _core.check_images(x)
  _check_range("sigma", sigma, 0)
  pairs = _core.draw(
      key, x, alpha=1.0, lam=1.0, partner=partner, per_batch=per_batch
  )
  mask = functools.partial(_smooth_mask, shape=x.shape[1:3], sigma=sigma)
  return _core.mix_by_mask(x, pairs.partner, jax.vmap(mask)(pairs.keys))


def _fourier_mask(key, lam, *, shape, decay):
  """`bool[H, W]`, true on the share lam of low-frequency noise."""
  noise_key, round_key = jax.random.split(key)
  pixels = shape[0] * shape[1]
  up = jax.random.bernoulli(round_key)
  count = jnp.where(up, jnp.ceil(lam * pixels), jnp.floor(lam * pixels))
  noise = _low_frequency_noise(noise_key, shape, decay)
  return _largest(noise, count.astype(jnp.int32))


def _low_frequency_noise(key, shape, decay):
  frequency = jnp.hypot(
      jnp.fft.fftfreq(shape[0])[:, None], jnp.fft.rfftfreq(shape[1])[None, :]
  )
  scale = jnp.maximum(frequency, 1 / max(shape)) ** -decay
  real, imaginary = jax.random.normal(key, (2, *scale.shape)) * scale[None]
  return jnp.fft.irfft2(jax.lax.complex(real, imaginary), shape)


def _largest(values, count):
  """Marks the `count` largest of float32 values (and those equal to the last).

  Sorting is the slowest part of FMix by far, so the threshold is found bit by
  bit instead: 32 times "are at least `count` values this large?".
  """
  bits = jax.lax.bitcast_convert_type(values, jnp.uint32)
  sign = jnp.uint32(1 << 31)
  # Unsigned integers in the order of the floats: negative ones turned around.
  ordered = jnp.where(bits < sign, bits | sign, ~bits)

  def narrow(i, threshold):
    higher = threshold | (sign >> i.astype(jnp.uint32))
    return jnp.where(jnp.sum(ordered >= higher) >= count, higher, threshold)

  start = _core.vary_with(jnp.uint32(0), values, count)
  threshold = jax.lax.fori_loop(0, 32, narrow, start)
  return (ordered >= threshold) & (count > 0)


def _grid_mask(key, lam, *, shape, holes, area, aspect):
  """`bool[H, W]`, false in the holes of a grid drawn at random."""
  keys = jax.random.split(key, 4)
  sides = _region(keys[0], keys[1], shape, area, aspect)
  start = jax.random.randint(keys[2], (2,), 0, jnp.asarray(shape) - sides + 1)
  cells = jax.random.randint(keys[3], (), holes[0], holes[1] + 1)
  return ~_holes(shape, start, sides, cells, lam)


def _holes(shape, start, sides, cells, lam):
  """`bool[H, W]`, true in the holes of a region of `cells` cells a row."""
  cell = -(-sides[1] // cells)  # Rounded up.
  side = jnp.floor(cell * jnp.sqrt(1 - lam)).astype(jnp.int32)
  side = jnp.where(lam < 1, jnp.minimum(jnp.maximum(side, 1), cell - 1), 0)
  rows = (jnp.arange(shape[0]) - start[0]) % cell < side
  columns = (jnp.arange(shape[1]) - start[1]) % cell < side
  region = _boxes.box(shape, start, start + sides)
  return region & rows[:, None] & columns[None, :]


def _region(area_key, aspect_key, shape, area, aspect):
  """Sides `int32[2]` of the region of a grid, between 1 and the image's."""
  share = jax.random.uniform(area_key, (), minval=area[0], maxval=area[1])
  ratio = jax.random.uniform(aspect_key, (), minval=aspect[0], maxval=aspect[1])
  width = jnp.floor(jnp.sqrt(shape[0] * shape[1] * share / ratio))
  sides = jnp.stack([jnp.floor(width * ratio), width]).astype(jnp.int32)
  return jnp.clip(sides, 1, jnp.asarray(shape))


def _smooth_mask(key, *, shape, sigma):
  """One minus a Gaussian at a random place, `float32[H, W]`."""
  centre_key, sigma_key = jax.random.split(key)
  centre = _boxes.uniform_pixel(centre_key, shape)
  width = jax.random.uniform(sigma_key, (), minval=sigma[0], maxval=sigma[1])
  spread = 2 * jnp.square(width) * (shape[0] * shape[1])
  # G is a row times a column. 1 - (1 - p)(1 - q), as p and q are exact near 0.
  p, q = (
      -jnp.expm1(-jnp.square(jnp.arange(size) - middle) / spread)
      for size, middle in zip(shape, centre)
  )
  p, q = p[:, None], q[None, :]
  return p + q - p * q


def _check_range(name, bounds, low, high=float("inf")):
  if not low <= bounds[0] <= bounds[1] <= high or bounds[1] <= 0:
    raise ValueError(
        f"{name} must be (smallest, largest) between {low} and {high}, got"
        f" {bounds}"
    )

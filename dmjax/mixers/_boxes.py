"""Mixers that paste a box of one image into another."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from dmjax.mixers import _core

_AXES = ("both", "height", "width")


def cutmix(
    key: jax.Array,
    x: jax.Array,
    *,
    alpha: float = 1.0,
    lam: jax.typing.ArrayLike | None = None,
    partner: str | jax.typing.ArrayLike = "permutation",
    per_batch: bool = False,
    minmax: tuple[float, float] | None = None,
    axes: str = "both",
) -> _core.Mixed:
  """Pastes a random box of the partner (arXiv 1905.04899, eq. 1 and 2).

      x~ = M x_i + (1 - M) x_j,   M = 0 in a box of sides sqrt(1 - lam) (H, W)

  The centre of the box is uniform over the pixels and the box is clipped at
  the border, so the weights are those of the clipped box and larger than
  lambda on average. As in the reference, sides are rounded down to even
  numbers. The reference draws one lambda and one box per batch; that is
  `per_batch=True`.

  An axis of one or two pixels, as in `[B, 1, T, C]`, is too short to be cut:
  the box is `1 - lam` of the other one, to the nearest pixel. In the same way a
  sequence `[B, T, D]` is cut along time, and `axes` cuts an image along one of
  its axes: the box is all of the other one. `axes="width"` of a spectrogram
  `[B, F, T, 1]` is a segment of time with all bands; SpecMix (arXiv 2108.03020)
  pastes several such segments, and bands likewise.

  `minmax` draws the box without lambda, as timm's `cutmix_minmax`: height and
  width apart, uniform over whole pixels, at a place uniform among those where
  the whole box lies in the image. (timm never reaches the last row and column.)

  Args:
    key: PRNG key.
    x: Images `[B, H, W, C]` or sequences `[B, T, D]`, floating.
    alpha: lambda ~ Beta(alpha, alpha); not used with `minmax`.
    lam: Fixes lambda instead, a scalar or `[B]`.
    partner: `permutation`, `roll`, `flip` or `int[B]`.
    per_batch: One lambda and one box for the whole batch.
    minmax: Range (low, high) of the sides of the box as shares of those of the
      image: from `int(low * H)` to `int(high * H) - 1` pixels, and so for W,
      unless there are too few to be cut.
    axes: Those of an image that are cut: `both`, `height` or `width`.

  Returns:
    The mixed batch; its mask is 0 in the box and 1 elsewhere.

  Raises:
    ValueError: For inputs that are neither images nor sequences, such as rows
      of a table, a `minmax` outside [0, 1] or without a whole pixel in its
      range, `minmax` together with `lam`, and for unknown axes.

  Example:
    >>> key = jax.random.key(0)
    >>> x = jax.random.uniform(key, (4, 8, 8, 3))
    >>> mixed = mixers.cutmix(key, x, lam=0.75)
    >>> print(mixed.x.shape, mixed.sources.shape, mixed.weights.shape)
    (4, 8, 8, 3) (4, 2) (4, 2)
    >>> bool(jnp.allclose(mixed.mask.mean((1, 2, 3)), mixed.weights[:, 0]))
    True
  """
  _check(x, axes)
  image, shape = _shapes(x, axes)
  ranges = None if minmax is None else _side_ranges(shape, minmax, lam)
  pairs = _core.draw(
      key, x, alpha=alpha, lam=lam, partner=partner, per_batch=per_batch
  )
  if ranges is not None:
    inside = jax.vmap(functools.partial(_inner_box, shape, ranges))(pairs.keys)
  else:
    centre = jax.vmap(functools.partial(uniform_pixel, shape=shape))(pairs.keys)
    inside = jax.vmap(functools.partial(cut_box, shape))(centre, pairs.lam)
  mask = jnp.broadcast_to(~inside, (x.shape[0], *image))
  return _core.mix_by_mask(x, pairs.partner, mask.reshape(x.shape[:-1]))


def _check(x, axes):
  _core.check_array(x)
  if x.ndim not in (3, 4):
    raise ValueError(
        "x must be images [B, H, W, C] or sequences [B, T, D], got shape"
        f" {x.shape}; columns of a table are no neighbours to be cut out"
        " together: take 'mixup'"
    )
  if axes not in _AXES:
    raise ValueError(f"axes must be one of {', '.join(_AXES)}, got {axes!r}")
  if x.ndim == 3 and axes != "both":
    raise ValueError(
        f"axes={axes!r} is for images [B, H, W, C], got shape {x.shape};"
        " sequences are cut along time in any case, leave it out"
    )


def _shapes(x, axes):
  """`(H, W)` of the images, and the one in which the box is drawn.

  A sequence is an image of one row, and so is what an axis that is not cut
  leaves of an image.
  """
  height, width = x.shape[1:3] if x.ndim == 4 else (1, x.shape[1])
  cut_height = 1 if axes == "width" else height
  cut_width = 1 if axes == "height" else width
  return (height, width), (cut_height, cut_width)


def _side_ranges(shape, minmax, lam):
  """Smallest sides `int[2]`, and those from which on sides are too large."""
  if lam is not None:
    raise ValueError(
        "lam and minmax are two ways to size the box, give one; got"
        f" lam={lam} and minmax={minmax}"
    )
  bounds = np.asarray(minmax)
  pair = bounds.shape == (2,) and bounds.dtype.kind in "fiu"
  if not (pair and 0 <= bounds[0] < bounds[1] <= 1):
    raise ValueError(
        f"minmax must be (low, high) with 0 <= low < high <= 1, got {minmax}"
    )
  sides, long = np.asarray(shape), _are_long(shape)
  low, high = ((sides * bound).astype(np.int32) for bound in minmax)
  low, high = np.where(long, low, sides), np.where(long, high, sides + 1)
  if not np.all(low < high):
    raise ValueError(
        f"minmax={minmax} has no whole number of pixels in its range for images"
        f" of {shape[0]}x{shape[1]} pixels; widen it"
    )
  return jnp.asarray(low), jnp.asarray(high)


def _inner_box(shape, ranges, key):
  """A box with sides in these ranges, anywhere inside of an image."""
  side_key, corner_key = jax.random.split(key)
  sides = jax.random.randint(side_key, (2,), *ranges)
  room = jnp.asarray(shape) - sides
  start = jax.random.randint(corner_key, (2,), 0, room + 1)
  return box(shape, start, start + sides)


def uniform_pixel(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
  """A pixel `int32[2]`, (row, column), uniform over an image of that shape."""
  return jax.random.randint(key, (2,), 0, jnp.asarray(shape))


def cut_box(
    shape: tuple[int, ...], centre: jax.Array, lam: jax.Array
) -> jax.Array:
  """The box of CutMix around a pixel, `bool[H, W]`, clipped at the border."""
  return box(shape, *corners(shape, centre, jnp.sqrt(1 - lam)))


def corners(
    shape: tuple[int, ...], centre: jax.Array, scale: jax.Array
) -> tuple[jax.Array, jax.Array]:
  """First and last corner of a box of `scale**2` of an image, clipped to it.

  Args:
    shape: `(H, W)`.
    centre: A pixel, `int32[2]`.
    scale: The sides of the box as a share of those of the image.

  Returns:
    The first pixel and the one after the last, `int32[2]` each.
  """
  sides, long = np.asarray(shape), _are_long(shape)
  if long.all():
    side = (sides.astype(np.float32) * scale).astype(jnp.int32) // 2 * 2
  else:
    # What is too short to be cut is pasted as a whole, and the other axis has
    # the whole share. Where both are, that share is all or nothing.
    share = scale**2
    whole = sides * (long.any() | (share > 0.5))
    side = jnp.where(long, jnp.round(sides * share).astype(jnp.int32), whole)
  start = jnp.where(long, centre - side // 2, 0)
  return jnp.maximum(start, 0), jnp.minimum(start + side, sides)


def _are_long(shape):
  """Which of its sides are long enough to be cut, `bool[2]`."""
  return np.asarray(shape) > 2


def box(
    shape: tuple[int, ...], start: jax.Array, stop: jax.Array
) -> jax.Array:
  """`bool[H, W]`, true for `start <= (row, column) < stop`."""
  rows, columns = jnp.arange(shape[0])[:, None], jnp.arange(shape[1])[None, :]
  inside_rows = (rows >= start[0]) & (rows < stop[0])
  return inside_rows & (columns >= start[1]) & (columns < stop[1])

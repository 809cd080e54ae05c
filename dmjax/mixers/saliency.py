"""Saliency maps to guide mixers: two without training, one from a gradient.

Maps are `float32[B, H, W]`, not negative, larger where an image matters more.
They are constants: no gradient flows through them.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from dmjax.mixers import _core
from dmjax.mixers import _filters

__all__ = ("fine_grained", "input_gradient", "spectral_residual")

# Half the window sizes of the fine-grained detector, in pixels.
_SCALES = (12, 24, 48, 28, 56, 112)
# The side at which the spectral residual is taken, whatever the image's.
_SPECTRUM = 64
# Rec. 601 luma.
_LUMA = (0.299, 0.587, 0.114)


def spectral_residual(images: jax.Array) -> jax.Array:
  """What is unexpected in the spectrum of an image (Hou and Zhang, CVPR 2007).

      S = gauss * | ifft( exp(L - box * L + i P) ) |**2,   L, P of fft(grey)

  L is the logarithm of the amplitude, `box` a 3x3 mean and P the phase. Size
  (64x64), window (5x5, sigma 8, before squaring) and scaling are those of
  OpenCV's `StaticSaliencySpectralResidual`.

  Args:
    images: `[B, H, W, C]`, uint8, or floating in [0, 1].

  Returns:
    Maps `float32[B, H, W]` in [0, 1].

  Raises:
    ValueError: For inputs that are not images.

  Example:
    >>> x = jax.random.uniform(jax.random.key(0), (4, 8, 8, 3))
    >>> print(mixers.saliency.spectral_residual(x).shape)
    (4, 8, 8)
  """
  return jax.vmap(_spectral_residual)(_levels(images))


def fine_grained(images: jax.Array) -> jax.Array:
  """Contrast of each pixel with its surround (Montabone and Soto, 2010).

      S = on / max(on) + off / max(off)
      on, off = sum over scales of max(+-(grey - mean of the window), 0)

  Windows, smoothing and the rounding to 8 bits are those of OpenCV's
  `StaticSaliencyFineGrained` on 8-bit images, the saliency of SaliencyMix.

  Args:
    images: `[B, H, W, C]`, uint8, or floating in [0, 1].

  Returns:
    Maps `float32[B, H, W]` in [0, 1].

  Raises:
    ValueError: For inputs that are not images.

  Example:
    >>> x = jax.random.uniform(jax.random.key(0), (4, 8, 8, 3))
    >>> print(mixers.saliency.fine_grained(x).shape)
    (4, 8, 8)
  """
  # One image after the other fits the cache of a CPU: 4 times as fast at 224 px.
  return jax.lax.platform_dependent(
      _levels(images),
      cpu=lambda levels: jax.lax.map(_fine_grained, levels),
      default=jax.vmap(_fine_grained),
  )


def input_gradient(
    loss_fn: Callable[[jax.Array], jax.Array], images: jax.Array
) -> jax.Array:
  """How much the loss depends on each pixel (Puzzle Mix, arXiv 2009.06962).

      S = sqrt( mean_c (dL / dx_c)**2 )

  Args:
    loss_fn: Images to losses `[B]`, or to their sum. For the usual meaning it
      runs the model as in evaluation, so that rows do not influence each other.
    images: `[B, H, W, C]`, floating, as the model takes them.

  Returns:
    Maps `float32[B, H, W]`.

  Raises:
    ValueError: For inputs that are not images.

  Example:
    >>> x = jax.random.uniform(jax.random.key(0), (4, 8, 8, 3))
    >>> loss_fn = lambda x: 2 * jnp.sum(x, axis=(1, 2, 3))
    >>> maps = mixers.saliency.input_gradient(loss_fn, x)
    >>> print(maps.shape, maps[0, 0, 0])
    (4, 8, 8) 2.0
  """
  _core.check_images(images)
  gradient = jax.grad(lambda x: jnp.sum(loss_fn(x)))(images)
  mean = jnp.mean(jnp.square(gradient.astype(jnp.float32)), axis=-1)
  return jax.lax.stop_gradient(jnp.sqrt(mean))


def _levels(images):
  """Grey levels `float32[B, H, W]`, whole numbers from 0 to 255."""
  _core.check_images(images)
  images = jax.lax.stop_gradient(jnp.asarray(images))
  floating = jnp.issubdtype(images.dtype, jnp.floating)
  levels = images.astype(jnp.float32) * (255.0 if floating else 1.0)
  if images.shape[-1] == 3:
    grey = sum(luma * levels[..., i] for i, luma in enumerate(_LUMA))
  else:
    grey = jnp.mean(levels, axis=-1)
  return _round(grey)


def _round(levels):
  """Halves go up, as in fixed-point arithmetic; `jnp.round` makes them even."""
  return jnp.floor(levels + 0.5)


def _spectral_residual(grey):
  shape = (_SPECTRUM, _SPECTRUM)
  # Rounded, as 8-bit images are: for an image enlarged to this size the high
  # frequencies are little else than rounding, and they count like the others.
  small = _round(jax.image.resize(grey, shape, "linear", antialias=False))
  spectrum = jnp.fft.fft2(small)
  # The floor is far below what rounding leaves of a coefficient that is zero.
  amplitude = jnp.maximum(jnp.abs(spectrum), 1e-6)
  log_amplitude = jnp.log(amplitude)
  residual = log_amplitude - _filters.smooth(log_amplitude, (1 / 3,) * 3)
  scene = jnp.fft.ifft2(jnp.exp(residual) * spectrum / amplitude)
  energy = jnp.square(_filters.smooth(jnp.abs(scene), _filters.gaussian(5, 8)))
  energy = energy / jnp.maximum(jnp.max(energy), 1e-30)
  return jax.image.resize(energy, grey.shape, "linear", antialias=False)


def _fine_grained(grey):
  for _ in range(2):
    grey = _round(_filters.smooth(grey, (0.25, 0.5, 0.25)))
  sums = jnp.cumsum(jnp.cumsum(grey.astype(jnp.int32), axis=0), axis=1)
  sums = jnp.pad(sums, ((1, 0), (1, 0)))
  contrasts = [grey - _surround(grey, sums, reach) for reach in _SCALES]
  on = sum(jnp.floor(jnp.maximum(c, 0)) for c in contrasts)
  off = sum(jnp.floor(jnp.maximum(-c, 0)) for c in contrasts)
  total = _to_level(on) + _to_level(off)
  return jnp.clip(total / 255, 0, 1)


def _surround(grey, sums, reach):
  """Mean of the window without its centre, from sums over the upper left."""
  inside, count = sums, np.float32(1)
  for axis, size in enumerate(grey.shape):
    # Further away there is nothing.
    inside = _between(inside, axis, min(reach, size))
    count = count * np.expand_dims(_length(size, reach), 1 - axis)
  return (inside - grey) / np.maximum(count - 1, 1)


def _between(sums, axis, reach):
  """Sums over `i - reach + 1` to `i + reach`, as far as that is in the image.

  Slices of what is padded at both ends: gathering rows takes 8 times as long.
  """
  size = sums.shape[axis] - 1
  ends = [(reach, reach) if i == axis else (0, 0) for i in range(sums.ndim)]
  padded = jnp.pad(sums, ends, mode="edge")
  rows = lambda first: jax.lax.slice_in_dim(padded, first, first + size, axis=axis)
  return rows(2 * reach + 1) - rows(1)


def _length(size, reach):
  """`float32[size]`, how many there are of each."""
  i = np.arange(size)
  found = np.minimum(i + reach, size - 1) - np.maximum(i - reach + 1, 0) + 1
  return found.astype(np.float32)


def _to_level(contrast):
  return jnp.floor(255 * contrast / jnp.maximum(jnp.max(contrast), 1))

"""Spectrograms: sound as images `[B, F, T, 1]`, low bands first."""

import jax
import jax.numpy as jnp
import numpy as np

from dmjax.augment import _checks


def log_mel(
    x: jax.Array,
    *,
    rate: int,
    window: float = 0.032,
    hop: float = 0.010,
    bands: int = 40,
    floor: float = 1e-6,
) -> jax.Array:
  """Waveforms to log-mel spectrograms, `log(filters @ |DFT|^2 + floor)`.

  Frame t is cut around the sample at time t * hop, with zeros beyond the ends,
  under a periodic Hann window. See `mel_filters` for the filters.

  Args:
    x: Waveforms `[B, S]`, floating, in [-1, 1].
    rate: Samples per second.
    window: Length of a frame in seconds.
    hop: From one frame to the next, in seconds.
    bands: F, the number of filters.
    floor: What silence has in place of no power.

  Returns:
    `float32[B, F, T, 1]`, T = 1 + S // (samples of a hop).

  Raises:
    ValueError: For x that are no waveforms, a window of less than two samples,
      a hop of less than one, and more bands than the window can tell apart.

  Example:
    >>> x = jax.random.normal(jax.random.key(0), (2, 800))      # 0.1 s at 8 kHz
    >>> print(augment.log_mel(x, rate=8000, bands=16).shape)
    (2, 16, 11, 1)
  """
  if x.ndim != 2 or not jnp.issubdtype(x.dtype, jnp.floating):
    raise ValueError(
        "x must be floating waveforms [B, S], in [-1, 1], got"
        f" {x.dtype}{list(x.shape)}"
    )
  width, step = round(window * rate), round(hop * rate)
  _check_frames(width, step, rate, window, hop)
  spectrum = jnp.fft.rfft(_frames(x.astype(jnp.float32), width, step))
  power = jnp.square(spectrum.real) + jnp.square(spectrum.imag)
  filters = mel_filters(rate=rate, width=width, bands=bands)
  # Tensor cores would round the power to ten bits.
  mel = jnp.einsum("btk,fk->bft", power, filters, precision="highest")
  return jnp.log(mel + floor)[..., None]


def _frames(x, width, step):
  """`float32[B, S]` -> `[B, T, width]`, under the window."""
  starts = step * np.arange(1 + x.shape[1] // step)
  padded = jnp.pad(x, ((0, 0), (width // 2, width - width // 2)))
  frames = padded[:, starts[:, None] + np.arange(width)]
  hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(width) / width)
  return frames * hann.astype(np.float32)[None, None]


def _check_frames(width, step, rate, window, hop):
  if width < 2 or step < 1:
    raise ValueError(
        "window must span two samples and hop one, at least, got"
        f" window={window} and hop={hop} seconds at {rate} samples a second"
    )


def mel_filters(*, rate: int, width: int, bands: int) -> np.ndarray:
  """Triangular filters, evenly spaced on the mel scale from 0 to rate / 2.

  The scale of Slaney's Auditory Toolbox: linear below 1 kHz, 3 mel for 200 Hz,
  and logarithmic above, 27 mel for a factor of 6.4. Each triangle reaches from
  the peak of the filter below to that of the one above; its area is 1 Hz.

  Args:
    rate: Samples per second.
    width: Samples of a frame.
    bands: Number of filters.

  Returns:
    `float32[bands, width // 2 + 1]`: weights of the power at each frequency.

  Raises:
    ValueError: Where no frequency lies in a filter.

  Example:
    >>> print(augment.mel_filters(rate=8000, width=256, bands=16).shape)
    (16, 129)
  """
  frequencies = rate / width * np.arange(width // 2 + 1)
  edges = _hertz(np.linspace(0, _mel(rate / 2), bands + 2))[:, None]
  low, peak, high = edges[:-2], edges[1:-1], edges[2:]
  rising = (frequencies - low) / (peak - low)
  falling = (high - frequencies) / (high - peak)
  filters = np.maximum(0, np.minimum(rising, falling)) * 2 / (high - low)
  if not bands or not filters.any(axis=1).all():
    raise ValueError(
        f"bands={bands} must be 1 at least, and few enough for a window of"
        f" {width} samples, which has a frequency every {rate / width:.1f} Hz;"
        " take fewer bands or a longer window"
    )
  return filters.astype(np.float32)


def _mel(hertz):
  if hertz < 1000:
    return 3 * hertz / 200
  return 15 + 27 * np.log(hertz / 1000) / np.log(6.4)


def _hertz(mel):
  return np.where(mel < 15, 200 * mel / 3, 1000 * 6.4 ** ((mel - 15) / 27))


def standardise_each(x: jax.Array) -> jax.Array:
  """Each spectrogram with mean 0 and deviation 1, over all that it holds.

  Silence that a recording was padded with counts, so that the mean of the data
  is 0. The deviation is the unbiased one, 1e-3 at least: silence stays near 0.

  Args:
    x: Spectrograms `[B, F, T, 1]`, floating.

  Returns:
    `[B, F, T, 1]`, dtype of x.

  Example:
    >>> key = jax.random.key(0)
    >>> x = jax.random.normal(key, (4, 8, 8, 1))
    >>> x = augment.standardise_each(x)
    >>> print(x.shape, bool(jnp.allclose(x.mean((1, 2, 3)), 0.0, atol=1e-5)))
    (4, 8, 8, 1) True
  """
  _check_spectrograms(x)
  inner = (1, 2, 3)
  centred = x - jnp.mean(x, axis=inner, keepdims=True)
  deviation = jnp.std(centred, axis=inner, ddof=1, keepdims=True)
  return centred / jnp.maximum(deviation, 1e-3)


def random_shift(key: jax.Array, x: jax.Array, *, most: int) -> jax.Array:
  """Shifts each spectrogram in time, uniformly by -most to most frames.

  The frames that come free get the smallest value of the spectrogram: silence.

  Args:
    key: PRNG key.
    x: Spectrograms `[B, F, T, 1]`, floating.
    most: Largest number of frames; 0 leaves x as it is.

  Returns:
    `[B, F, T, 1]`, dtype of x.

  Raises:
    ValueError: Where `most` is not in [0, T].

  Example:
    >>> key = jax.random.key(0)
    >>> x = jax.random.normal(key, (4, 8, 8, 1))
    >>> print(augment.random_shift(key, x, most=2).shape)
    (4, 8, 8, 1)
  """
  _check_spectrograms(x)
  frames = x.shape[2]
  _checks.check_number("most", most, frames)
  offsets = jax.random.randint(key, (x.shape[0],), -most, most + 1)

  def shift(spectrogram, offset):
    source = jnp.arange(frames) - offset
    inside = ((source >= 0) & (source < frames))[None, :, None]
    shifted = jnp.roll(spectrogram, offset, axis=1)
    return jnp.where(inside, shifted, jnp.min(spectrogram))

  return jax.vmap(shift)(x, offsets)


def mask_bands(key: jax.Array, x: jax.Array, *, most: int) -> jax.Array:
  """Sets bands next to each other to 0 (SpecAugment, arXiv 1904.08779).

  Their number is uniform in 0 to `most`, and so is their place where they fit;
  both are drawn for each spectrogram by itself. 0 is the mean of one that is
  standardised.

  Args:
    key: PRNG key.
    x: Spectrograms `[B, F, T, 1]`, floating.
    most: Largest number of bands.

  Returns:
    `[B, F, T, 1]`, dtype of x.

  Raises:
    ValueError: Where `most` is not in [0, F].

  Example:
    >>> key = jax.random.key(0)
    >>> x = jax.random.normal(key, (4, 8, 8, 1))
    >>> print(augment.mask_bands(key, x, most=2).shape)
    (4, 8, 8, 1)
  """
  return _mask(key, x, most, axis=1)


def mask_times(key: jax.Array, x: jax.Array, *, most: int) -> jax.Array:
  """Sets frames next to each other to 0, as `mask_bands` does bands.

  Args:
    key: PRNG key.
    x: Spectrograms `[B, F, T, 1]`, floating.
    most: Largest number of frames.

  Returns:
    `[B, F, T, 1]`, dtype of x.

  Raises:
    ValueError: Where `most` is not in [0, T].

  Example:
    >>> key = jax.random.key(0)
    >>> x = jax.random.normal(key, (4, 8, 8, 1))
    >>> print(augment.mask_times(key, x, most=2).shape)
    (4, 8, 8, 1)
  """
  return _mask(key, x, most, axis=2)


def _mask(key, x, most, axis):
  _check_spectrograms(x)
  size = x.shape[axis]
  _checks.check_number("most", most, size)
  width_key, start_key = jax.random.split(key)
  shape = [-1 if i == axis else 1 for i in range(4)]
  ones = (x.shape[0], 1, 1, 1)
  widths = jax.random.randint(width_key, ones, 0, most + 1)
  starts = jax.random.randint(start_key, ones, 0, size - widths + 1)
  place = jnp.arange(size).reshape(shape)
  inside = (place >= starts) & (place < starts + widths)
  return jnp.where(inside, jnp.zeros((), x.dtype), x)


def _check_spectrograms(x):
  if x.ndim != 4 or not jnp.issubdtype(x.dtype, jnp.floating):
    raise ValueError(
        "x must be floating spectrograms [B, F, T, 1], got"
        f" {x.dtype}{list(x.shape)}"
    )

"""Spectrograms against a direct DFT and golden values, and their views."""

import functools
import os
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import augment

SHARED = pathlib.Path(
    os.environ.get("DMJAX_SHARED", pathlib.Path(__file__).parents[2] / "shared")
)
GOLDEN = SHARED / "golden" / "mixupe.npz"
needs_golden = pytest.mark.skipif(
    not GOLDEN.exists(), reason="the golden values are not on this machine"
)
KEY = jax.random.key(0)
RATE = 8000
P = functools.partial
VIEWS = {
    "shift": P(augment.random_shift, most=3),
    "bands": P(augment.mask_bands, most=4),
    "times": P(augment.mask_times, most=5),
}
COMPILED = {name: jax.jit(view) for name, view in VIEWS.items()}


def noise(*shape, seed=0):
  return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def spectrograms(size=200, bands=9, frames=13):
  """Distinct values: whatever moved can be told from whatever stayed."""
  x = 1 + np.arange(size * bands * frames, dtype=np.float32)
  return x.reshape(size, bands, frames, 1)


def slow_filters(rate, width, bands):
  """Triangles between edges that a table of the mel scale gives."""
  hertz = np.linspace(0, rate / 2, 400_001)
  with np.errstate(divide="ignore"):
    above = 15 + 27 * np.log(hertz / 1000) / np.log(6.4)
  mel = np.where(hertz < 1000, hertz / (200 / 3), above)
  edges = np.interp(np.linspace(0, mel[-1], bands + 2), mel, hertz)
  frequencies = np.arange(width // 2 + 1) * rate / width
  return np.array([
      np.interp(frequencies, edges[i : i + 3], [0, 2, 0])
      / (edges[i + 2] - edges[i])
      for i in range(bands)
  ])


def slow_log_mel(wave, rate, width, step, bands):
  """Frame by frame, each a sum over cosines and sines in float64."""
  at = np.arange(width)
  angles = 2 * np.pi * np.outer(np.arange(width // 2 + 1), at) / width
  window = np.sin(np.pi * at / width) ** 2
  filters, columns = slow_filters(rate, width, bands), []
  for middle in range(0, len(wave) + 1, step):
    places = middle - width // 2 + at
    known = (places >= 0) & (places < len(wave))
    frame = np.where(known, wave[places * known], 0) * window
    power = (np.cos(angles) @ frame) ** 2 + (np.sin(angles) @ frame) ** 2
    columns.append(np.log(filters @ power + 1e-6))
  return np.array(columns).T


@pytest.mark.parametrize("rate,window,hop,bands,size", (
    (8000, 0.032, 0.010, 40, 1003),
    (16000, 0.025, 0.010, 24, 1600),
    (1000, 0.027, 0.004, 5, 81),  # A window of 27 samples.
))
def test_log_mel_is_that_of_a_direct_dft(rate, window, hop, bands, size):
  x = noise(2, size)
  found = augment.log_mel(x, rate=rate, window=window, hop=hop, bands=bands)
  width, step = round(window * rate), round(hop * rate)
  assert found.shape == (2, bands, 1 + size // step, 1)
  assert found.dtype == jnp.float32
  for wave, image in zip(x, found):
    expected = slow_log_mel(wave.astype(float), rate, width, step, bands)
    np.testing.assert_allclose(image[..., 0], expected, atol=2e-5)


@needs_golden
@pytest.mark.parametrize("case", range(3))
def test_log_mel_and_standardising_equal_the_reference(case):
  golden = np.load(GOLDEN)
  read = lambda name: golden[f"speech_case{case:02}_{name}"]
  x = np.float32(read("samples")[None] / 32768)
  found = augment.log_mel(x, rate=RATE)[0, ..., 0]
  np.testing.assert_allclose(found, read("log_mel"), atol=5e-5)
  filters = augment.mel_filters(rate=RATE, width=256, bands=40)
  np.testing.assert_allclose(filters, golden["speech_mel_filters"], atol=1e-8)
  padded = read("log1p_spectrogram")[None, ..., None]
  found = augment.standardise_each(jnp.asarray(padded))[0, ..., 0]
  np.testing.assert_allclose(
      found, read("log1p_spectrogram_standardised"), atol=1e-5
  )


def test_filters_are_triangles_of_one_hertz_that_overlap_to_their_peaks():
  filters = augment.mel_filters(rate=RATE, width=2**14, bands=40)
  np.testing.assert_allclose(filters, slow_filters(RATE, 2**14, 40), atol=1e-6)
  np.testing.assert_allclose(filters.sum(axis=1) * RATE / 2**14, 1, rtol=1e-4)
  peaks = filters.argmax(axis=1)
  assert (np.diff(peaks) > 0).all() and (np.diff(peaks, 2) >= -1).all()
  for low, high, below, above in zip(peaks, peaks[1:], filters, filters[1:]):
    shares = below / below.max() + above / above.max()
    np.testing.assert_allclose(shares[low : high + 1], 1, atol=0.02)
    assert below[high + 1 :].max() < 0.02 * below.max()


def test_a_tone_lies_in_the_band_of_its_frequency():
  filters = augment.mel_filters(rate=RATE, width=256, bands=40)
  bands = np.array([8, 20, 33])
  hertz = filters[bands].argmax(axis=1) * RATE / 256
  time = np.arange(2000) / RATE
  tones = np.float32(np.sin(2 * np.pi * hertz[:, None] * time))
  found = np.asarray(augment.log_mel(tones, rate=RATE))[..., 0]
  inner = found[:, :, 2:-2].argmax(axis=1)
  np.testing.assert_array_equal(inner, inner[:, :1] * np.ones_like(inner))
  assert (abs(inner[:, 0] - bands) <= 1).all()


def test_power_is_logarithmic_above_a_floor():
  quiet, loud = augment.log_mel(
      np.stack([np.zeros(800, np.float32), noise(800)]), rate=RATE, floor=1e-9
  )
  np.testing.assert_allclose(quiet, np.log(1e-9), rtol=1e-6)
  louder = augment.log_mel(0.1 * noise(1, 800), rate=RATE, floor=1e-9)[0]
  np.testing.assert_allclose(loud - louder, np.log(100), atol=1e-3)


@pytest.mark.parametrize("x,options,error", (
    (np.zeros((1, 800), np.int16), {}, r"waveforms.*int16\[1, 800\]"),
    (np.zeros((1, 8, 1), np.float32), {}, "waveforms"),
    (noise(1, 800), {"hop": 1e-5}, "hop=1e-05 seconds at 8000"),
    (noise(1, 800), {"window": 1e-4}, "two samples"),
    (noise(1, 800), {"bands": 200}, "bands=200.*256 samples"),
    (noise(1, 800), {"bands": 0}, "bands=0"),
))
def test_what_gives_no_spectrogram_is_refused(x, options, error):
  with pytest.raises(ValueError, match=error):
    augment.log_mel(x, rate=RATE, **options)


def test_each_is_standardised_by_itself():
  x = np.concatenate([spectrograms(3), np.full((1, 9, 13, 1), 7, np.float32)])
  found = np.asarray(augment.standardise_each(jnp.asarray(x)))
  np.testing.assert_allclose(found[:3].mean(axis=(1, 2, 3)), 0, atol=1e-5)
  deviations = found[:3].std(axis=(1, 2, 3), ddof=1)
  np.testing.assert_allclose(deviations, 1, rtol=1e-5)
  assert abs(found[3]).max() < 0.01, "a constant stays near 0"
  with pytest.raises(ValueError, match="spectrograms"):
    augment.standardise_each(jnp.zeros((2, 3)))


def test_a_shift_moves_frames_and_fills_with_silence():
  x = jnp.asarray(spectrograms())
  found, offsets = np.asarray(COMPILED["shift"](KEY, x)), set()
  for before, after in zip(np.asarray(x), found):
    long = np.pad(
        before, ((0, 0), (3, 3), (0, 0)), constant_values=before.min()
    )
    shifted = {d: long[:, 3 - d : 16 - d] for d in range(-3, 4)}
    (offset,) = (d for d in shifted if (shifted[d] == after).all())
    offsets.add(offset)
  assert offsets == set(range(-3, 4))
  np.testing.assert_array_equal(augment.random_shift(KEY, x, most=0), x)


@pytest.mark.parametrize("name,axis,most", (("bands", 1, 4), ("times", 2, 5)))
def test_a_mask_is_one_run_of_limited_width_and_nothing_else_changes(
    name, axis, most
):
  x = spectrograms()
  found = np.asarray(COMPILED[name](KEY, x))
  masked = found == 0
  np.testing.assert_array_equal(found, np.where(masked, 0, x))
  inside = masked.any(axis=(1, 2, 3), keepdims=True) & masked.all(
      axis=3 - axis, keepdims=True
  )
  np.testing.assert_array_equal(masked, inside & np.ones_like(masked))
  runs = np.moveaxis(masked, axis, 1)[:, :, 0, 0].astype(int)
  assert set(runs.sum(axis=1)) == set(range(most + 1))
  starts = np.diff(runs, axis=1, prepend=0) == 1
  assert (starts.sum(axis=1) <= 1).all()
  assert starts.any(axis=0).sum() > runs.shape[1] - most, "every place is drawn"


@pytest.mark.parametrize("view", (
    augment.random_shift, augment.mask_bands, augment.mask_times,
))
def test_views_refuse_what_does_not_fit(view):
  with pytest.raises(ValueError, match=r"must lie in \[0, (9|13)\], got 14"):
    view(KEY, spectrograms(2), most=14)
  with pytest.raises(ValueError, match="spectrograms"):
    view(KEY, jnp.zeros((2, 9, 13)), most=1)


def test_waveforms_become_views_on_every_device_at_once():
  def see(key, samples):
    x = augment.standardise_each(
        augment.log_mel(samples, rate=RATE, window=0.016, bands=9)
    )
    return augment.chain(key, x, steps=tuple(VIEWS.values()))

  keys, x = jax.random.split(KEY, 4), noise(4, 3, 960)
  found = jax.pmap(see)(keys, x)
  assert found.shape == (4, 3, 9, 13, 1) and jnp.isfinite(found).all()
  np.testing.assert_allclose(found[2], jax.jit(see)(keys[2], x[2]), atol=1e-5)

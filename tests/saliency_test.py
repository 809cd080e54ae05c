"""Saliency maps against OpenCV's, against loops, and what they promise."""

import os
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax.mixers import saliency

SHARED = pathlib.Path(
    os.environ.get("DMJAX_SHARED", pathlib.Path(__file__).parents[2] / "shared")
)
GOLDEN = SHARED / "golden" / "saliency.npz"
DETECTORS = (saliency.fine_grained, saliency.spectral_residual)
COMPILED = {detector: jax.jit(detector) for detector in DETECTORS}


def photos(batch=2, shape=(11, 8), seed=0, channels=3):
  rng = np.random.default_rng(seed)
  return rng.integers(0, 256, (batch, *shape, channels), dtype=np.uint8)


@pytest.mark.parametrize("detector", DETECTORS)
def test_maps_agree_with_opencv(detector):
  if not GOLDEN.exists():
    pytest.skip(f"no golden maps at {GOLDEN}")
  golden = np.load(GOLDEN)
  maps = COMPILED[detector](golden["images"])
  for ours, theirs in zip(maps, golden[detector.__name__], strict=True):
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.99
  assert np.abs(maps - golden[detector.__name__]).mean() < 0.01


@pytest.mark.parametrize("detector", DETECTORS)
@pytest.mark.parametrize("channels", (1, 3, 4))
def test_bytes_and_floats_give_the_same_map(detector, channels):
  images = photos(channels=channels)
  maps = COMPILED[detector](images)
  assert maps.shape == images.shape[:3] and maps.dtype == jnp.float32
  assert np.all((maps >= 0) & (maps <= 1))
  # A grey level can only move where it lies half-way between two.
  again = COMPILED[detector](jnp.asarray(images, jnp.float32) / 255)
  np.testing.assert_allclose(maps, again, atol=0.02)


@pytest.mark.parametrize("detector", DETECTORS)
@pytest.mark.parametrize("shape", ((1, 1), (2, 5)))
def test_flat_and_tiny_images_have_finite_maps(detector, shape):
  maps = COMPILED[detector]
  assert np.all(np.isfinite(maps(photos(shape=shape))))
  assert np.ptp(maps(np.full((2, *shape, 3), 7, np.uint8))) == 0


@pytest.mark.parametrize("detector", DETECTORS)
def test_a_lone_object_is_found(detector):
  image = photos(1, (40, 48)) // 8 + np.uint8(80)
  image[0, 10:15, 30:35] = 250
  found = np.asarray(COMPILED[detector](image))[0]
  assert found[11:14, 31:34].min() > 3 * found.mean()


@pytest.mark.parametrize("detector", DETECTORS)
def test_maps_are_constants(detector):
  images = jnp.asarray(photos(), jnp.float32) / 255
  gradient = jax.jit(jax.grad(lambda x: jnp.sum(detector(x))))(images)
  np.testing.assert_array_equal(gradient, 0)


def test_fine_grained_agrees_with_loops():
  grey = photos(1, channels=1)[0, ..., 0].astype(np.float64)
  blur = np.outer((1, 2, 1), (1, 2, 1)) / 16
  smoothed = grey
  for _ in range(2):
    padded = np.pad(smoothed, 1, mode="reflect")
    # Rows first, as the filter does: it rounds once, after both.
    smoothed = np.zeros_like(grey)
    for row, column in np.ndindex(grey.shape):
      window = padded[row : row + 3, column : column + 3]
      smoothed[row, column] = np.floor(np.sum(window * blur) + 0.5)
  expected = np.clip(sum(_contrasts(smoothed)) / 255, 0, 1)
  maps = saliency.fine_grained(grey[None, ..., None].astype(np.uint8))
  np.testing.assert_allclose(maps[0], expected, atol=1 / 255 + 1e-6)


def _contrasts(grey):
  on, off = np.zeros_like(grey), np.zeros_like(grey)
  for reach in (12, 24, 48, 28, 56, 112):
    for row, column in np.ndindex(grey.shape):
      window = grey[
          max(row - reach + 1, 0) : row + reach + 1,
          max(column - reach + 1, 0) : column + reach + 1,
      ]
      surround = (window.sum() - grey[row, column]) / (window.size - 1)
      on[row, column] += max(int(grey[row, column] - surround), 0)
      off[row, column] += max(int(surround - grey[row, column]), 0)
  return [np.floor(255 * contrast / contrast.max()) for contrast in (on, off)]


def test_input_gradient_is_the_root_mean_square_over_channels():
  x = jnp.asarray(photos(), jnp.float32) / 255
  slope = jnp.arange(3.0).reshape(1, 1, 1, 3)

  def loss(images):
    return jnp.sum(slope * images**2 / 2, axis=(1, 2, 3))

  maps = saliency.input_gradient(loss, x)
  expected = np.sqrt(np.mean((slope * x) ** 2, axis=-1))
  np.testing.assert_allclose(maps, expected, rtol=1e-5)
  total = saliency.input_gradient(lambda images: jnp.sum(loss(images)), x)
  np.testing.assert_array_equal(total, maps)


def test_each_shard_has_the_maps_of_its_images_under_shard_map():
  mesh = jax.sharding.Mesh(np.array(jax.devices()[:2]), ("devices",))
  rows = jax.sharding.PartitionSpec("devices")
  images = jnp.asarray(photos(), jnp.float32) / 255

  def every(x):
    loss = lambda x: jnp.sum(x**3, axis=(1, 2, 3))
    maps = [detector(x) for detector in DETECTORS]
    return *maps, saliency.input_gradient(loss, x)

  sharded = jax.shard_map(every, mesh=mesh, in_specs=rows, out_specs=rows)
  maps = jax.jit(sharded)(images)
  for ours, detector in zip(maps, DETECTORS):
    np.testing.assert_allclose(ours, COMPILED[detector](images), atol=1e-5)
  expected = np.sqrt(np.mean((3 * images**2) ** 2, axis=-1))
  np.testing.assert_allclose(maps[-1], expected, rtol=1e-5)


def test_what_is_no_batch_of_images_is_refused():
  for detector in DETECTORS:
    with pytest.raises(ValueError, match="x must be images"):
      detector(photos()[0])

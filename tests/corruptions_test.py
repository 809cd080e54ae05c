"""Corruptions: damage, ranges, statistics, and independence of the batch."""

import functools
import io

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image
import pytest
from sklearn import datasets

from dmjax.evaluate import corruptions

KEYS = jax.random.split(jax.random.key(0), 6)
SEVERITIES = 1.0, 2.0, 3.0, 4.0, 5.0

# Published constants that trade one kind of damage for another: the error of
# pixels need not grow with every step.
UNEVEN = ("elastic_transform", "frost", "glass_blur", "pixelate")


@functools.cache
def photos():
  """Six crops of two photographs, `float32[6, 32, 32, 3]` in [0, 1]."""
  boxes = (0, 0, 400, 400), (120, 20, 520, 420), (240, 0, 640, 400)
  return np.stack([
      np.asarray(Image.fromarray(photo).crop(box).resize((32, 32), Image.BOX))
      for photo in datasets.load_sample_images().images for box in boxes
  ]).astype(np.float32) / 255


@functools.cache
def compiled(name):
  return jax.jit(jax.vmap(corruptions.CORRUPTIONS[name], (0, 0, None)))


@jax.jit
def all_of_them(keys, images, severity):
  return {
      name: jax.vmap(corrupt, (0, 0, None))(keys, images, severity)
      for name, corrupt in corruptions.CORRUPTIONS.items()
  }


@functools.cache
def damage(name):
  """Images of each severity, and their squared error."""
  changed = [np.asarray(compiled(name)(KEYS, photos(), s)) for s in SEVERITIES]
  return changed, [np.mean((y - photos()) ** 2) for y in changed]


def test_there_are_fifteen_and_one_is_for_the_host():
  assert len(corruptions.NAMES) == 15
  assert corruptions.NAMES[:-1] == tuple(corruptions.CORRUPTIONS)
  for name in corruptions.NAMES:
    assert getattr(corruptions, name).__name__ == name


@pytest.mark.parametrize("name", corruptions.CORRUPTIONS)
def test_damage_grows_with_severity(name):
  errors = damage(name)[1]
  assert errors[0] > 0
  if name not in UNEVEN:
    # Longer trails of the same deviation change next to nothing.
    assert all(b > 0.999 * a for a, b in zip(errors, errors[1:])), errors
  if name != "elastic_transform":
    assert errors[-1] > 1.5 * errors[0], errors


@pytest.mark.parametrize("name", corruptions.CORRUPTIONS)
def test_images_stay_in_range_and_severities_share_a_program(name):
  for image in damage(name)[0]:
    check_range(image, photos())
  assert compiled(name)._cache_size() == 1


def check_range(changed, images):
  assert changed.shape == images.shape and changed.dtype == np.float32
  assert np.isfinite(changed).all()
  assert changed.min() >= 0 and changed.max() <= 1


@pytest.mark.parametrize("shape", [(8, 8, 1), (65, 9, 3)])
def test_images_of_any_size_are_corrupted(shape):
  """Black and white ones too; the second has the constants of ImageNet-C."""
  images = np.random.default_rng(0).uniform(size=(6, *shape))
  images = images.astype(np.float32)
  images[0], images[1] = 0, 1
  for severity in (1.0, 5.0):
    for changed in all_of_them(KEYS, images, severity).values():
      check_range(np.asarray(changed), images)


def test_rows_do_not_depend_on_their_batch():
  images = photos()[:, :8, :8, :1]
  together = all_of_them(KEYS, images, 4.0)
  for row in range(6):
    alone = all_of_them(KEYS[row : row + 1], images[row : row + 1], 4.0)
    for name, changed in alone.items():
      np.testing.assert_allclose(
          changed[0], together[name][row], atol=1e-6, err_msg=name
      )


def test_severity_is_a_whole_number_from_1_to_5():
  for severity, same_as in ((0, 1), (2.4, 2), (9, 5)):
    np.testing.assert_array_equal(
        compiled("contrast")(KEYS, photos(), float(severity)),
        compiled("contrast")(KEYS, photos(), float(same_as)),
    )


def level(value):
  return jnp.full((6, 32, 32, 3), value, jnp.float32)


@pytest.mark.parametrize(
    "severity,std", zip(SEVERITIES, (0.04, 0.06, 0.08, 0.09, 0.1))
)
def test_gaussian_noise_has_its_deviation(severity, std):
  noise = np.asarray(compiled("gaussian_noise")(KEYS, level(0.5), severity))
  np.testing.assert_allclose(noise.mean(), 0.5, atol=5 * std / 135)
  np.testing.assert_allclose(noise.std(), std, rtol=0.03)


@pytest.mark.parametrize(
    "severity,photons", zip(SEVERITIES, (500, 250, 100, 75, 50))
)
def test_shot_noise_counts_photons(severity, photons):
  """A Poisson variable's variance is its mean."""
  for value in (0.1, 0.4):
    noise = compiled("shot_noise")(KEYS, level(value), severity)
    counts = np.float64(noise) * photons
    np.testing.assert_allclose(counts, np.round(counts), atol=1e-3)
    spread = np.sqrt(value * photons)
    np.testing.assert_allclose(
        counts.mean(), value * photons, atol=5 * spread / 135
    )
    np.testing.assert_allclose(counts.var(), value * photons, rtol=0.06)


@pytest.mark.parametrize(
    "severity,share", zip(SEVERITIES, (0.01, 0.02, 0.03, 0.05, 0.07))
)
def test_impulse_noise_loses_its_share_evenly(severity, share):
  noise = np.asarray(compiled("impulse_noise")(KEYS, level(0.5), severity))
  deviation = np.sqrt(share / noise.size)
  for value, expected in ((0, share / 2), (1, share / 2), (0.5, 1 - share)):
    found = np.mean(noise == value)
    np.testing.assert_allclose(found, expected, atol=5 * deviation)
  # Channels are lost one by one.
  assert np.any((noise != 0.5).any(-1) & (noise == 0.5).any(-1))


@pytest.mark.parametrize("name", ("fog", "snow", "frost", "motion_blur"))
def test_images_of_a_batch_have_random_fields_of_their_own(name):
  changed = np.asarray(compiled(name)(KEYS, np.stack([photos()[0]] * 6), 3.0))
  assert np.abs(changed[0] - changed[1]).max() > 0.01


def test_grey_images_are_corrupted_as_grey_colours():
  """Where channels are not drawn one by one."""
  grey = photos()[..., :1]
  for name in ("fog", "snow", "brightness", "contrast", "glass_blur"):
    coloured = compiled(name)(KEYS, np.repeat(grey, 3, -1), 3.0)
    np.testing.assert_allclose(
        compiled(name)(KEYS, grey, 3.0), coloured[..., :1], atol=1e-5
    )


@pytest.mark.parametrize("channels", (1, 3))
def test_jpeg_loses_more_with_severity(channels):
  image = np.round(255 * photos()[0, ..., :channels]).astype(np.uint8)
  kept = image.copy()
  changed = [corruptions.jpeg_compression(image, s) for s in (1, 2, 3, 4, 5)]
  errors = [np.mean((np.float64(y) - image) ** 2) for y in changed]
  assert all(y.shape == image.shape and y.dtype == np.uint8 for y in changed)
  assert 0 < errors[0] and all(np.diff(errors) > 0), errors
  np.testing.assert_array_equal(image, kept)


@pytest.mark.parametrize("side,severity,quality", [
    (32, 1, 80), (32, 5, 40), (65, 1, 25), (65, 5, 7),
])
def test_jpeg_has_its_quality(side, severity, quality):
  image = np.random.default_rng(0).integers(0, 256, (side, 20, 3), np.uint8)
  file = io.BytesIO()
  Image.fromarray(image).save(file, "JPEG", quality=quality)
  found = corruptions.jpeg_compression(image, severity)
  np.testing.assert_array_equal(found, np.asarray(Image.open(file)))

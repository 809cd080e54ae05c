"""3-Augment against PIL and SciPy."""

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image
from PIL import ImageFilter
from PIL import ImageOps
import pytest
from scipy import ndimage

from dmjax import augment
from dmjax.augment import _three
from tests.pil_operations import picture
from tests.pil_operations import unit

KEY = jax.random.key(0)

three_augment = jax.jit(augment.three_augment)


def test_three_augment_does_one_of_three_evenly():
  """A single bright pixel tells the width of its blur."""
  colour = np.array((0.75, 0.5, 0.25))
  x = np.zeros((900, 21, 23, 3), np.float32)
  x[:, 10, 11] = colour
  changed = np.asarray(three_augment(KEY, x))
  grey = (np.abs(np.ptp(changed, -1)) < 1e-6).all((1, 2))
  solarized = (changed[:, 10, 11] == (0.25, 0.5, 0.25)).all(-1)
  blurred = ~grey & ~solarized
  for outcome in (grey, solarized, blurred):
    np.testing.assert_allclose(outcome.mean(), 1 / 3, atol=0.05)
  np.testing.assert_allclose(
      changed[grey][:, 10, 11], colour @ (0.299, 0.587, 0.114), rtol=1e-5
  )
  for outcome in (grey, solarized):
    assert np.count_nonzero(changed[outcome].any(-1)) == outcome.sum()
  check_blurs(changed[blurred], x[0])


def check_blurs(changed, x):
  """Each is Gaussian, and the deviations are uniform in [0.1, 2]."""
  sigmas = []
  for image in np.float64(changed):
    ratio = image[10, 12, 0] / image[10, 11, 0]
    sigmas.append(sigma := np.sqrt(-0.5 / np.log(ratio)))
    expected = ndimage.gaussian_filter(np.float64(x), (sigma, sigma, 0))
    np.testing.assert_allclose(image, expected, atol=1e-4)
  assert 0.1 <= min(sigmas) < 0.15 and 1.95 < max(sigmas) <= 2
  np.testing.assert_allclose(np.mean(sigmas), 1.05, atol=0.1)


def test_the_outcomes_of_three_augment_are_those_of_pil():
  image = Image.fromarray(picture())
  changed = 255 * np.asarray(
      three_augment(KEY, unit(np.stack([picture()] * 60)))
  )
  grey = np.asarray(image.convert("L"))[..., None]
  for expected, tolerance in ((grey, 0.51), (ImageOps.solarize(image), 0.01)):
    error = np.abs(changed - np.asarray(expected)).max((1, 2, 3))
    assert 10 < np.sum(error < tolerance) < 30
  for sigma in (0.5, 1.5):
    ours = 255 * _three._blur(unit(picture()), sigma)
    theirs = np.asarray(image.filter(ImageFilter.GaussianBlur(sigma)))
    # PIL's is made of boxes.
    assert np.abs(ours - theirs).mean() < 1
    edge = ndimage.gaussian_filter(
        np.float64(picture()), (sigma, sigma, 0), mode="nearest"
    )
    np.testing.assert_allclose(ours, edge, atol=0.05)


def test_three_augment_keeps_type_and_range_and_maps():
  x = jax.random.uniform(KEY, (2, 8, 9, 7, 1), jnp.bfloat16)
  keys = jax.random.split(KEY, 2)
  changed = jax.jit(jax.vmap(augment.three_augment))(keys, x)
  assert changed.dtype == x.dtype
  assert changed.min() >= 0 and changed.max() <= 1
  np.testing.assert_allclose(changed[1], three_augment(keys[1], x[1]))
  # Grey images stay what they are where they are made grey.
  assert 0 < np.mean((changed == x).all((2, 3, 4))) < 0.7
  with pytest.raises(ValueError, match=r"1 channel \(grey\) or 3"):
    augment.three_augment(KEY, jnp.zeros((1, 4, 4, 2)))

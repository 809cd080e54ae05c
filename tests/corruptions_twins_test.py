"""Corruptions against independent versions in NumPy, SciPy and PIL.

The twins go pixel by pixel where the library does not, and take the same random
numbers. Constants are written down a second time.
"""

import functools
import itertools

import jax
from matplotlib import colors
import numpy as np
from PIL import Image
import pytest
from scipy import ndimage

from dmjax.evaluate import corruptions
from dmjax.evaluate.corruptions import _blur
from dmjax.evaluate.corruptions import _digital
from dmjax.evaluate.corruptions import _weather

RNG = np.random.default_rng(0)
KEY = jax.random.key(0)

# Constants of CIFAR-10-C for the first, and of ImageNet-C for the second.
SMALL = RNG.uniform(size=(20, 27, 3)).astype(np.float32)
LARGE = RNG.uniform(size=(71, 66, 1)).astype(np.float32)
IMAGES = {"small": SMALL, "large": LARGE}


jitted = functools.cache(jax.jit)


@functools.cache
def keyless(name):
  """A corruption that draws nothing."""
  return functools.partial(corruptions.CORRUPTIONS[name], KEY)


def check(function, arguments, expected, severity, atol=2e-5):
  """`function(image, *fields, severity)` gives what is expected, clipped."""
  found = jitted(function)(*arguments, np.float32(severity))
  np.testing.assert_allclose(found, np.clip(expected, 0, 1), atol=atol)


def on_each_channel(function, image):
  planes = [function(np.float64(image[..., i])) for i in range(image.shape[-1])]
  return np.stack(planes, axis=-1)


def disk(radius, sigma):
  reach, half = (8, 1) if radius <= 8 else (10, 2)
  y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
  kernel = np.float64(x**2 + y**2 <= radius**2)
  taps = [np.exp(-(i**2) / 2 / sigma**2) for i in range(-half, half + 1)]
  taps = taps / np.sum(taps)
  for axis in (0, 1):
    kernel = ndimage.correlate1d(kernel, taps, axis, mode="mirror")
  return kernel / np.sum(x**2 + y**2 <= radius**2)


@pytest.mark.parametrize("size,severity,radius,sigma", [
    ("small", 1, 0.3, 0.4), ("small", 3, 0.5, 0.6), ("small", 4, 1, 0.2),
    ("small", 5, 1.5, 0.1), ("large", 1, 3, 0.1), ("large", 4, 8, 0.5),
    ("large", 5, 10, 0.5),
])
def test_defocus_blur_convolves_with_a_disk(size, severity, radius, sigma):
  image, kernel = IMAGES[size], disk(radius, sigma)[..., None]
  expected = ndimage.correlate(image, kernel, mode="mirror")
  check(keyless("defocus_blur"), [image], expected, severity)


def shuffled(image, draws, reach, rounds):
  """As published: pixel by pixel, with an exchange that copies views."""
  image = image.copy()
  height, width, _ = image.shape
  moves = np.floor(2 * reach * np.float64(draws[:rounds])).astype(int) - reach
  for move in moves:
    for h in range(height - reach, reach, -1):
      for w in range(width - reach, reach, -1):
        other = h + move[0, h, w], w + move[1, h, w]
        image[h, w], image[other] = image[other], image[h, w]
  return image


@pytest.mark.parametrize("size,severity,sigma,reach,rounds", [
    ("small", 1, 0.05, 1, 1), ("small", 5, 0.4, 1, 2), ("large", 1, 0.7, 1, 2),
    ("large", 3, 1, 2, 3), ("large", 5, 1.5, 4, 2),
])
def test_glass_blur_is_the_sequential_one(size, severity, sigma, reach, rounds):
  image = IMAGES[size]
  draws = np.random.default_rng(1).uniform(
      size=(2 if size == "small" else 3, 2, *image.shape[:2])
  ).astype(np.float32)
  blur = functools.partial(
      ndimage.gaussian_filter, sigma=(sigma, sigma, 0), mode="nearest"
  )
  expected = blur(shuffled(blur(image), draws, reach, rounds))
  check(_blur._glass, [image, draws], expected, severity)


def smeared(image, angle, radius, sigma):
  """Reads every pixel of the trail, the edge standing for what is outside."""
  height, width = image.shape[:2]
  y, x = np.indices(image.shape[:2])
  total = weights = 0
  for i in range(min(2 * radius + 1, max(height, width))):
    weight = np.exp(-(i**2) / (2 * sigma**2))
    row = np.ceil(i * np.sin(np.radians(angle)) - 0.5).astype(int)
    column = np.ceil(i * np.cos(np.radians(angle)) - 0.5).astype(int)
    rows = np.clip(y + row, 0, height - 1)
    total += weight * image[rows, np.clip(x + column, 0, width - 1)]
    weights += weight
  return total / weights


@pytest.mark.parametrize("size,severity,radius,sigma", [
    ("small", 1, 6, 1), ("small", 5, 9, 2.5), ("large", 2, 15, 5),
    ("large", 5, 20, 15),
])
def test_motion_blur_smears_along_a_line(size, severity, radius, sigma):
  image = IMAGES[size]
  for angle in (-44.3, 7.1, 31.7):
    expected = smeared(image, angle, radius, sigma)
    check(_blur._motion, [image, np.float32(angle)], expected, severity)


def magnified(plane, zoom):
  """Cut out, stretched by SciPy, and trimmed to the size that it had."""
  part = [int(np.ceil(n / zoom)) for n in plane.shape]
  first = [(n - p) // 2 for n, p in zip(plane.shape, part)]
  plane = plane[tuple(slice(f, f + p) for f, p in zip(first, part))]
  sides = [int(n) for n in np.round(np.array(part) * zoom)]
  factors = [side / p for side, p in zip(sides, part)]
  return ndimage.zoom(plane, factors, order=1, mode="nearest")


def trimmed(plane, shape):
  first = [(have - want) // 2 for have, want in zip(plane.shape, shape)]
  return plane[tuple(slice(f, f + n) for f, n in zip(first, shape))]


@pytest.mark.parametrize("size,severity,end,step", [
    ("small", 1, 1.06, 0.01), ("small", 5, 1.26, 0.01),
    ("large", 5, 1.31, 0.03),
])
def test_zoom_blur_is_a_mean_of_magnified_images(size, severity, end, step):
  image = IMAGES[size]

  def blurred(plane):
    zooms = np.arange(1, end, step)
    parts = [trimmed(magnified(plane, zoom), plane.shape) for zoom in zooms]
    return np.mean([plane, *parts], axis=0)

  expected = on_each_channel(blurred, image)
  check(keyless("zoom_blur"), [image], expected, severity)


@pytest.mark.parametrize("size,severity,c", [
    ("small", 1, (0.1, 0.2, 1, 0.6, 8, 3, 0.95)),
    ("small", 4, (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85)),
    ("large", 5, (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55)),
])
def test_snow_falls_over_a_brighter_image(size, severity, c):
  image = IMAGES[size]
  field = np.random.default_rng(2).normal(size=image.shape[:2])
  flakes = trimmed(magnified(c[0] + c[1] * field, c[2]), field.shape)
  flakes = smeared(np.clip(flakes * (flakes >= c[3]), 0, 1), -100.3, *c[4:6])
  grey = image @ (0.299, 0.587, 0.114) if size == "small" else image[..., 0]
  bright = np.maximum(image, 1.5 * grey[..., None] + 0.5)
  flakes = (flakes + np.rot90(flakes, 2))[..., None]
  expected = c[6] * image + (1 - c[6]) * bright + flakes
  arguments = [image, field.astype(np.float32), np.float32(-100.3)]
  check(_weather._snow, arguments, expected, severity)


def plasma(field, decay):
  """Point by point: first the middles of squares, then those of their sides."""
  points, noise = np.zeros_like(field), 1.0
  size = len(field)
  half = size // 2

  def fill(y, x, around):
    near = [points[(y + a) % size, (x + b) % size] for a, b in around]
    points[y, x] = np.mean(near) + noise * field[y, x]

  while half:
    new = list(itertools.product(range(0, size, half), repeat=2))
    for y, x in new:
      if y // half % 2 and x // half % 2:
        fill(y, x, itertools.product((-half, half), repeat=2))
    for y, x in new:
      if (y // half + x // half) % 2:
        fill(y, x, [(half, 0), (-half, 0), (0, half), (0, -half)])
    half, noise = half // 2, noise / decay**2
  points -= points.min()
  return points / points.max()


@pytest.mark.parametrize("size,side,severity,weight,decay", [
    ("small", 32, 1, 0.2, 3), ("small", 32, 5, 1.5, 1.75),
    ("large", 128, 3, 2.5, 1.7),
])
def test_fog_is_a_fractal(size, side, severity, weight, decay):
  image = IMAGES[size]
  field = np.random.default_rng(3).uniform(-1, 1, (side, side))
  height, width, _ = image.shape
  assert _weather._map_size(image) == side
  added = weight * plasma(field, decay)[:height, :width, None]
  expected = (image + added) * image.max() / (image.max() + weight)
  check(_weather._fog, [image, field.astype(np.float32)], expected, severity)


@pytest.mark.parametrize("severity,a,b", [(1, 1, 0.2), (5, 0.75, 0.45)])
def test_frost_is_a_weighted_sum(severity, a, b):
  field = np.random.default_rng(4).uniform(-1, 1, (32, 32))
  ridges = 1 - np.abs(2 * plasma(field, 1.5)[:20, :27, None] - 1)
  expected = a * SMALL + b * ridges * (0.85, 0.94, 1.0)
  check(_weather._frost, [SMALL, field.astype(np.float32)], expected, severity)


@pytest.mark.parametrize("severity,more", [(1, 0.05), (3, 0.15), (5, 0.3)])
def test_brightness_adds_to_the_value_of_hsv(severity, more):
  image = SMALL.copy()
  image[0, 0] = 0
  hsv = colors.rgb_to_hsv(image)
  hsv[..., 2] = np.clip(hsv[..., 2] + more, 0, 1)
  check(keyless("brightness"), [image], colors.hsv_to_rgb(hsv), severity)


@pytest.mark.parametrize("size,severity,left", [
    ("small", 1, 0.75), ("small", 5, 0.15), ("large", 5, 0.05),
])
def test_contrast_keeps_means_and_shrinks_deviations(size, severity, left):
  image = IMAGES[size]
  changed = np.asarray(corruptions.contrast(KEY, image, severity))
  mean, std = image.mean((0, 1)), image.std((0, 1))
  np.testing.assert_allclose(changed.mean((0, 1)), mean, rtol=1e-5)
  np.testing.assert_allclose(changed.std((0, 1)), left * std, rtol=1e-4)


def moved_back(y, x, moves):
  """Where pixels were before three points moved, by the affine map of these."""
  height, width = y.shape
  s = min(height, width) // 3
  points = np.array([[s, s], [s, -s], [-s, -s]]) + [width // 2, height // 2]
  back = np.linalg.solve(np.hstack([points + moves, np.ones((3, 1))]), points)
  was = np.stack([x, y, np.ones_like(x)], axis=-1) @ back
  return was[..., 1], was[..., 0]


@pytest.mark.parametrize("size,severity,push,sigma,shake", [
    ("small", 1, 0, 0, 0.08), ("small", 2, 0.05, 0.2, 0.07),
    ("small", 5, 0.1, 0.03, 0.03), ("large", 3, 0.05, 0.01, 0.02),
    ("large", 2, 2, 0.08, 0.2),
])
def test_elastic_transform_warps_twice(size, severity, push, sigma, shake):
  image, rng = IMAGES[size], np.random.default_rng(5)
  side = max(image.shape) * (1 if size == "small" else 244 / 224)
  corners = rng.uniform(-1, 1, (3, 2))
  field = rng.uniform(-1, 1, (*image.shape[:2], 2))
  y, x = np.indices(image.shape[:2])
  moves = push * side * ndimage.gaussian_filter(
      field, (sigma * side, sigma * side, 0), mode="reflect", truncate=3
  )

  def warped(plane):
    moved = ndimage.map_coordinates(
        plane, moved_back(y, x, shake * side * corners), order=1, mode="mirror"
    )
    places = [y + moves[..., 1], x + moves[..., 0]]
    return ndimage.map_coordinates(moved, places, order=1, mode="reflect")

  arguments = [image, corners.astype(np.float32), field.astype(np.float32)]
  expected = on_each_channel(warped, image)
  check(_digital._elastic, arguments, expected, severity, atol=3e-4)


@pytest.mark.parametrize("size,severity,share", [
    ("small", 1, 0.95), ("small", 3, 0.85), ("small", 5, 0.65),
    ("large", 1, 0.6), ("large", 5, 0.25),
])
def test_pixelate_resizes_as_pil_does(size, severity, share):
  image = IMAGES[size]
  height, width, _ = image.shape

  def coarse(plane):
    picture = Image.fromarray(plane.astype(np.float32))
    small = picture.resize((int(width * share), int(height * share)), Image.BOX)
    return np.asarray(small.resize((width, height), Image.BOX))

  check(keyless("pixelate"), [image], on_each_channel(coarse, image), severity)

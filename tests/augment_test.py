"""Augmentation on the device, and the crops that exist on both sides."""

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image
from PIL import ImageEnhance
import pytest

from dmjax import config as config_lib
from dmjax.data import augment
from dmjax.data import colour
from dmjax.data import crops
from dmjax.data import erasing
from dmjax.data import pipelines
from dmjax.data import sources
from dmjax.train import validate

KEY = jax.random.key(0)


def picture(height=24, width=30):
  """Smooth colours with some noise, `uint8[H, W, 3]`."""
  rng = np.random.default_rng(0)
  rows, columns = np.mgrid[:height, :width]
  smooth = np.stack([rows * 8, columns * 6, (rows + columns) * 4], -1)
  return (smooth + rng.integers(0, 40, smooth.shape)).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("box", ((2.5, 3.0, 12.25, 20.0), (0.0, 0.0, 24.0, 30.0)))
def test_a_resized_box_is_that_of_pil(box):
  image = picture()
  top, left, height, width = box
  expected = Image.fromarray(image).resize(
      (30, 24), Image.Resampling.BICUBIC,
      (left, top, left + width, top + height),
  )
  ours = crops.crop_and_resize(jnp.asarray(image), jnp.asarray(box))
  # PIL rounds to whole grey levels after either pass.
  np.testing.assert_allclose(ours, np.asarray(expected), atol=2.0)


def test_random_boxes_keep_to_area_aspect_and_image():
  draws = jax.random.uniform(KEY, (500, 4, 10))
  shape, scale, ratio = (40, 30), (0.2, 0.7), (0.5, 2.0)
  boxes, fits = jax.vmap(
      lambda d: crops.first_fitting(jnp, d, shape, scale, ratio)
  )(draws)
  top, left, height, width = np.asarray(boxes)[np.asarray(fits)].T
  assert fits.mean() > 0.99
  assert (top >= 0).all() and (top + height <= 40 + 1e-3).all()
  assert (left >= 0).all() and (left + width <= 30 + 1e-3).all()
  area = height * width / 1200
  assert area.min() >= 0.2 - 1e-4 and area.max() <= 0.7 + 1e-4
  assert 0.5 - 1e-4 <= (width / height).min() < 0.6
  assert 1.6 < (width / height).max() <= 2 + 1e-4


def test_the_host_draws_the_boxes_of_the_device():
  draws = np.random.default_rng(0).uniform(size=(4, 10)).astype(np.float32)
  arguments = (draws, (17, 50), (0.08, 1.0), (3 / 4, 4 / 3))
  host, host_fits = crops.first_fitting(np, *arguments)
  device, device_fits = crops.first_fitting(jnp, *arguments)
  np.testing.assert_allclose(host, device, rtol=1e-4)
  assert host_fits == device_fits


def test_the_largest_central_box_stands_in_where_none_fits():
  image = jnp.zeros((1, 4, 40, 1)).at[:, :, 17:23].set(200.0)
  cropped = crops.random_resized_crop(KEY, image, scale=(1.0, 1.0))
  # 4 x 16/3 pixels around the middle, enlarged: the white strip fills it.
  assert float(cropped.min()) > 150


def test_the_host_crop_has_the_size_asked_for_and_follows_its_seed():
  image = Image.fromarray(picture(50, 70))
  crop = lambda seed: np.asarray(crops.random_resized_crop_on_host(
      np.random.default_rng(seed), image, 16
  ))
  assert crop(0).shape == (16, 16, 3)
  np.testing.assert_array_equal(crop(0), crop(0))
  assert np.any(crop(0) != crop(1))


def test_a_central_crop_after_resizing_leaves_the_margin_out():
  image = np.full((64, 64, 3), 255, np.uint8)
  image[8:-8, 8:-8] = 0
  square = crops.central_crop(Image.fromarray(image), 28, 32)
  assert square.size == (28, 28)
  inner = np.asarray(square)[4:-4, 4:-4]
  assert inner.max() == 0 and np.asarray(square)[0].min() > 200


@pytest.mark.parametrize(
    "ours,theirs",
    (
        (colour.brightness, ImageEnhance.Brightness),
        (colour.contrast, ImageEnhance.Contrast),
        (colour.saturation, ImageEnhance.Color),
    ),
)
@pytest.mark.parametrize("factor", (0.4, 1.0, 1.5))
def test_jitter_is_that_of_pil(ours, theirs, factor):
  image = picture()
  expected = np.asarray(theirs(Image.fromarray(image)).enhance(factor))
  # PIL truncates, and rounds its grey values.
  changed = ours(jnp.asarray(image, jnp.float32), jnp.float32(factor))
  np.testing.assert_allclose(changed, expected, atol=2.0)


def test_jitter_differs_between_images_and_vanishes_at_strength_zero():
  images = jnp.tile(jnp.asarray(picture())[None], (4, 1, 1, 1))
  jitter = jax.jit(colour.colour_jitter, static_argnames="strength")
  np.testing.assert_allclose(jitter(KEY, images, strength=0.0), images, atol=1e-3)
  changed = np.asarray(jitter(KEY, images, strength=0.4))
  assert changed.min() >= 0 and changed.max() <= 255
  assert all(np.abs(changed[0] - other).max() > 2 for other in changed[1:])


def test_erasing_fills_one_box_with_noise_as_often_as_asked():
  images = jnp.full((300, 20, 24, 3), 7.0)
  erase = jax.jit(erasing.random_erase, static_argnames="probability")
  erased = np.asarray(erase(KEY, images, probability=0.25))
  touched = (erased != 7).any((1, 2, 3))
  assert 0.17 < touched.mean() < 0.33
  for image in erased[touched]:
    changed = (image != 7).all(-1)
    rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
    box = changed[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    assert box.all() and changed.sum() == box.size
    assert 0.01 < box.size / 480 < 0.4
  noise = erased[erased != 7]
  assert abs(noise.mean()) < 0.05 and abs(noise.std() - 1) < 0.05


def test_cutout_zeroes_a_square_that_may_be_cut_by_the_edge():
  images = jnp.ones((200, 12, 12, 1))
  cut = np.asarray(erasing.cutout(KEY, images, size=4))
  areas = (cut == 0).sum((1, 2, 3))
  assert areas.max() == 16 and set(areas) <= {4, 6, 8, 9, 12, 16}
  assert areas.min() < 16


def section(**changes):
  data = config_lib.default().data
  data.update(name="mock", image_size=32, **changes)
  return data


def test_all_of_it_is_a_function_of_the_key():
  data = section(
      crop_scale=(0.3, 1.0), jitter=0.4, erase=0.5, cutout=8, crop_padding=0
  )
  images = jnp.tile(jnp.asarray(picture(32, 32))[None], (3, 1, 1, 1))
  run = jax.jit(lambda key: augment.augment(key, images, data))
  first = run(KEY)
  assert first.shape == (3, 32, 32, 3) and first.dtype == jnp.float32
  np.testing.assert_array_equal(first, run(KEY))
  assert np.abs(first - run(jax.random.key(1))).max() > 0.1


def test_denormalising_undoes_normalising():
  image = jnp.asarray(picture())
  mean, std = (0.4, 0.5, 0.6), (0.2, 0.3, 0.2)
  there = augment.normalize(image, mean, std)
  np.testing.assert_allclose(
      augment.denormalize(there, mean, std), image, atol=1e-3
  )


@pytest.mark.parametrize("pipeline", ("resident", "streaming"))
@pytest.mark.parametrize("repeats", (1, 3))
def test_every_image_is_in_its_batch_as_often_as_asked(pipeline, repeats):
  data = section(pipeline=pipeline, repeats=repeats)
  opened = pipelines.open_pipeline(data, "train")
  stream = opened.batches(12, 0)
  for _ in range(3):
    batch = stream.next()
    images = np.asarray(opened.select(batch, opened.shared)["image"])
    groups = images.reshape(12 // repeats, repeats, -1)
    assert (groups == groups[:, :1]).all()
    assert len(np.unique(groups[:, 0], axis=0)) == 12 // repeats


def test_repeated_images_are_augmented_apart():
  data = section(pipeline="streaming", repeats=2, crop_scale=(0.2, 0.5))
  images = pipelines.open_pipeline(data, "train").batches(8, 0).next()["image"]
  assert (images[0::2] != images[1::2]).any((1, 2, 3)).all()


def test_test_images_are_resized_and_cropped_to_their_own_size():
  data = section(test_image_size=24, test_resize=30, pipeline="streaming")
  opened = pipelines.open_pipeline(data, "test")
  image, _ = sources.open_split("mock", "test").read(3)
  expected = Image.fromarray(image).resize((30, 30), Image.Resampling.BICUBIC)
  shown = opened.rows(np.array([3]))["image"][0]
  np.testing.assert_array_equal(shown, np.asarray(expected)[3:27, 3:27])


@pytest.mark.parametrize(
    "changes,words",
    (
        ({"rand_augment": "rand-m9"}, "data.pipeline=streaming"),
        ({"rand_augment": "augmix", "pipeline": "streaming"}, "'augmix'"),
        ({"erase": 1.5}, "data.erase must lie in"),
        ({"crop_scale": (0.5, 0.1)}, "data.crop_scale must be"),
        ({"repeats": 0}, "data.repeats must be >= 1, got 0"),
        ({"cutout": -2}, "data.cutout must be >= 0, got -2"),
    ),
)
def test_bad_augmentation_is_named(changes, words):
  config = config_lib.default()
  config.data.update(changes)
  with pytest.raises(ValueError, match=words.replace("(", r"\(")):
    validate.check_config(config)

"""From the `data` section to what the network is shown."""

import functools

import jax
import numpy as np
from PIL import Image
import pytest

from dmjax import augment
from dmjax import config as config_lib
from dmjax import methods
from dmjax.data import images
from dmjax.data import pipelines
from dmjax.data import sources
from dmjax.train import augmentation
from dmjax.train import validate


def section(**changes):
  """Mock images, neither cropped nor flipped, but for the changes."""
  data = config_lib.default().data
  data.update(name="mock", crop_padding=0, flip=False, image_size=40, **changes)
  return data


def opened(data, split="train"):
  source = sources.open_source(data.name, data[split])
  return pipelines.open_pipeline(data, source, split)


def batch():
  return jax.random.uniform(jax.random.key(1), (6, 8, 10, 3))


def test_nothing_asked_for_changes_nothing():
  x = batch()
  found = images.make_augment(section())(jax.random.key(0), x)
  np.testing.assert_array_equal(found, x)


def in_turn(steps, key, x):
  """Each step with the key of its place."""

  @jax.jit
  def run(x):
    for i, step in enumerate(steps):
      x = step(jax.random.fold_in(key, i), x)
    return x

  return run(x)


def test_each_step_draws_from_a_key_of_its_own():
  """What is asked for, in order: crop, flip, colour, erase, cut."""
  data, x, key = section(), batch(), jax.random.key(0)
  data.update(crop_padding=2, flip=True, jitter=0.4, erase=0.5, cutout=3)
  found = jax.jit(images.make_augment(data))(key, x)
  mean, std = tuple(data.mean), tuple(data.std)
  steps = (
      lambda key, x: augment.random_crop(key, x, padding=2),
      augment.random_flip,
      lambda key, x: augment.colour_jitter(key, x, strength=0.4),
      lambda key, x: augment.random_erase(
          key, x, probability=0.5, mean=mean, std=std
      ),
      lambda key, x: augment.cutout(key, x, size=3, fill=mean),
  )
  np.testing.assert_allclose(found, in_turn(steps, key, x), atol=1e-6)


@pytest.mark.parametrize("name", ("rand-m9-mstd0.5-inc1", "trivial"))
def test_a_policy_takes_the_place_of_jitter(name):
  data, x, key = section(jitter=1.0), batch(), jax.random.key(0)
  data.auto_augment = name
  found = jax.jit(images.make_augment(data))(key, x)
  expected = jax.jit(functools.partial(
      augment.rand_augment, policy=augment.parse_policy(name),
      fill=tuple(data.mean),
  ))(jax.random.fold_in(key, 0), x)
  np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("jitter", (0.0, 0.3))
def test_jitter_comes_after_3_augment(jitter):
  data, x, key = section(jitter=jitter), batch(), jax.random.key(0)
  data.auto_augment = "3a"
  found = jax.jit(images.make_augment(data))(key, x)
  x = jax.jit(augment.three_augment)(jax.random.fold_in(key, 0), x)
  if jitter:
    key = jax.random.fold_in(key, 1)
    x = jax.jit(augment.colour_jitter)(key, x, strength=jitter)
  np.testing.assert_allclose(found, x, atol=1e-5)


def test_streaming_workers_have_cropped_already():
  key, x = jax.random.key(0), batch()
  for pipeline, same in (("streaming", True), ("resident", False)):
    data = section(crop_scale=(0.2, 0.5), pipeline=pipeline)
    found = jax.jit(images.make_augment(data))(key, x)
    assert np.array_equal(found, x) == same


@pytest.mark.parametrize("pipeline", ("resident", "streaming"))
@pytest.mark.parametrize("repeats", (1, 3))
def test_every_image_is_in_its_batch_as_often_as_asked(pipeline, repeats):
  data = opened(section(pipeline=pipeline, repeats=repeats))
  stream = data.batches(12, 0)
  for _ in range(3):
    pixels = np.asarray(data.select(stream.next(), data.shared)["x"])
    groups = pixels.reshape(12 // repeats, repeats, -1)
    assert (groups == groups[:, :1]).all()
    assert len(np.unique(groups[:, 0], axis=0)) == 12 // repeats


def test_repeated_images_are_cropped_apart():
  data = section(pipeline="streaming", repeats=2, crop_scale=(0.2, 0.5))
  pixels = opened(data).batches(8, 0).next()["x"]
  assert (pixels[0::2] != pixels[1::2]).any((1, 2, 3)).all()


def test_test_images_are_resized_and_cropped_to_their_own_size():
  data = section(test_image_size=24, test_resize=30, pipeline="streaming")
  pixels = sources.open_source("mock", "test").read(3)["x"]
  expected = Image.fromarray(pixels).resize((30, 30), Image.Resampling.BICUBIC)
  shown = opened(data, "test").rows(np.array([3]))["x"][0]
  np.testing.assert_array_equal(shown, np.asarray(expected)[3:27, 3:27])


def configured(**changes):
  """Crops and flips, and a strong view without a policy but for the changes."""
  config = config_lib.default()
  config.data.update(name="mock", crop_padding=2)
  config.unlabelled.update(auto_augment="", **changes)
  return config


def test_the_weak_view_alone_is_the_augmentation_of_the_data():
  """With the same key: supervised runs are what they were."""
  config, key = configured(), jax.random.key(3)
  given = {"x": batch(), "label": np.arange(6)}
  found = augmentation.views(
      key, given, methods.Method._field_defaults["views"],
      images.make_views(config),
  )
  expected = images.make_augment(config.data)(key, given["x"])
  np.testing.assert_array_equal(found["x"], expected)
  assert set(found) == {"x", "label"} and found["label"] is given["label"]


@pytest.mark.parametrize("policy", ("", "trivial"))
def test_the_strong_view_is_the_weak_one_then_policy_then_cutout(policy):
  config, x, key = configured(cutout=0.7), batch(), jax.random.key(0)
  config.unlabelled.auto_augment = policy
  found = jax.jit(images.make_views(config)["strong"])(key, x)
  mean = tuple(config.data.mean)
  steps = [images.make_augment(config.data)]
  if policy:
    steps.append(functools.partial(
        augment.rand_augment, policy=augment.parse_policy(policy), fill=mean
    ))
  steps.append(
      functools.partial(augment.random_cutout, largest=0.7, fill=mean)
  )
  np.testing.assert_allclose(found, in_turn(steps, key, x), atol=1e-5)


def test_a_strong_view_of_nothing_more_is_a_weak_one():
  config, key = configured(cutout=0.0), jax.random.key(0)
  found = images.make_views(config)["strong"](key, batch())
  weak = images.make_augment(config.data)
  expected = weak(jax.random.fold_in(key, 0), batch())
  np.testing.assert_array_equal(found, expected)


WANTED = {
    "labelled": {"x": "weak"},
    "unlabelled": {"weak": "weak", "strong": "strong", "again": "weak"},
}


def streams():
  """A batch of two streams that show the same images."""
  one = {"x": batch(), "label": np.arange(6), "index": np.arange(6)}
  return {"labelled": one, "unlabelled": dict(one)}


def test_labels_ride_along_in_the_labelled_stream_alone():
  found = augmentation.views(
      jax.random.key(0), streams(), WANTED,
      images.make_views(configured()),
  )
  assert set(found["labelled"]) == {"x", "label", "index"}
  assert set(found["unlabelled"]) == {"weak", "strong", "again", "index"}
  np.testing.assert_array_equal(found["labelled"]["label"], np.arange(6))


def test_no_two_views_of_an_image_are_the_same():
  config, given = configured(cutout=0.0), streams()
  config.data.jitter = 0.4  # Crops and flips alone may agree by chance.
  found = augmentation.views(
      jax.random.key(0), given, WANTED, images.make_views(config)
  )
  shown = [found["labelled"]["x"]]
  shown += [found["unlabelled"][name] for name in ("weak", "strong", "again")]
  for row, seen in enumerate(np.stack(shown, 1)):
    seen = np.concatenate([seen, batch()[row : row + 1]])
    assert len(np.unique(seen, axis=0)) == 5


@pytest.mark.parametrize(
    "changes,words",
    (
        ({"auto_augment": "autoaugment"}, "'autoaugment'"),
        ({"auto_augment": "rand-m11"}, "data.auto_augment must be a policy"),
        ({"erase": 1.5}, "data.erase must lie in"),
        ({"crop_scale": (0.5, 0.1)}, r"data.crop_scale must be \("),
        ({"repeats": 0}, "data.repeats must be >= 1, got 0"),
        ({"cutout": -2}, "data.cutout must be >= 0, got -2"),
        ({"pipeline": "grain"}, "must be one of resident, streaming, got 'grain'"),
    ),
)
def test_bad_augmentation_is_named(changes, words):
  config = config_lib.default()
  config.data.update(changes)
  with pytest.raises(ValueError, match=words):
    validate.check_config(config)

"""What augmentation and mixing make of the data, as pictures."""

import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dmjax import config as config_lib
from dmjax.data import augment
from dmjax.data import pipelines
from dmjax.methods import guidance
from dmjax.train import plots


def save(config: Any, data: pipelines.Pipeline, path: pathlib.Path) -> None:
  """Draws mixed images of the first rows of a split, with their weights.

  Args:
    config: The configuration, of which the seed and the mixer are used.
    data: The split.
    path: The picture.
  """
  rows = np.arange(min(8, data.size))
  batch = jax.device_get(jax.jit(data.select)(data.rows(rows), data.shared))
  images, labels = batch["image"], batch["label"]
  mixer = config_lib.make_mixer(config.mix)
  floats = jnp.asarray(images, jnp.float32) / 255
  guides = guidance.training_free(mixer, floats)
  mixed = mixer(jax.random.key(config.seed), floats, **guides)
  plots.mixed_batch(images, labels, mixed, data.class_names, path)


def save_augmented(
    config: Any, data: pipelines.Pipeline, path: pathlib.Path
) -> None:
  """Draws the first training images as they are augmented, before mixing.

  Args:
    config: The configuration, of which the seed and the data are used.
    data: The training split.
    path: The picture.
  """
  count = min(24, data.size) // 8 * 8 or data.size
  batch = data.batches(count, config.seed).next()

  def prepare(key, batch, shared):
    batch = data.select(batch, shared)
    images = augment.augment(key, batch["image"], config.data)
    return augment.denormalize(images, config.data.mean, config.data.std)

  key = jax.random.key(config.seed)
  images = jax.jit(prepare)(key, batch, data.shared)
  plots.images(jax.device_get(images), path)


STAGES = {"augment": save_augmented, "mix": save}

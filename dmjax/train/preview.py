"""What the mixer of a configuration makes of its data, as a picture."""

import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dmjax import config as config_lib
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

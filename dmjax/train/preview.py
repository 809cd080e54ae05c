"""What the mixer of a configuration makes of its data, as a picture."""

import pathlib
from typing import Any

import jax
import numpy as np

from dmjax import config as config_lib
from dmjax.data import pipelines
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
  mixed = mixer(jax.random.key(config.seed), images.astype(np.float32) / 255)
  plots.mixed_batch(images, labels, mixed, data.class_names, path)

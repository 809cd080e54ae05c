"""What a mixer, given or learned, makes of its data, as a picture."""

import functools
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dmjax import config as config_lib
from dmjax.data import augment
from dmjax.data import pipelines
from dmjax.methods import guidance
from dmjax.methods import learned as learned_lib
from dmjax.train import plots

LAMBDAS = (0.1, 0.3, 0.5, 0.7, 0.9)


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
  mixer = functools.partial(mixer, jax.random.key(config.seed), **guides)
  mixed = _as_shown(config.data, mixer, images)
  plots.mixed_batch(images, labels, mixed, data.class_names, path)


def save_masks(
    config: Any, data: pipelines.Pipeline, learned: learned_lib.Learned, path: pathlib.Path
) -> None:
  """Draws inputs, masks and mixed images of a few pairs for several lambdas.

  Args:
    config: The configuration of the run, for its normalisation.
    data: The split whose first rows are mixed.
    learned: The Mix Block.
    path: The picture.
  """
  rows = np.arange(min(6, data.size))
  batch = jax.device_get(jax.jit(data.select)(data.rows(rows), data.shared))
  images = jnp.asarray(batch["image"])
  mixer = learned_lib.as_mixer(learned)
  draw = jax.jit(functools.partial(_draw, config.data, mixer))
  mixed = [jax.device_get(draw(images, lam)) for lam in LAMBDAS]
  plots.masks(batch["image"], mixed, LAMBDAS, path)


def _draw(data, mixer, images, lam):
  mix = lambda x: mixer(jax.random.key(0), x, lam=lam, partner="roll")
  return _as_shown(data, mix, images)


def _as_shown(data, mix, images):
  """Mixes as the network is shown it, then undoes the normalisation."""
  mixed = mix(augment.normalize(images, data["mean"], data["std"]))
  std, mean = (jnp.asarray(data[k]).reshape(1, 1, 1, -1) for k in ("std", "mean"))
  return mixed._replace(x=mixed.x * std + mean)

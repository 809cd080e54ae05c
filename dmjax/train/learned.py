"""What a run has learned about mixing: its masks as a picture, and as a mixer."""

from collections.abc import Callable
import functools
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dmjax import mixers
from dmjax.data import augment
from dmjax.data import pipelines
from dmjax.methods import Learned
from dmjax.train import plots

LAMBDAS = (0.1, 0.3, 0.5, 0.7, 0.9)


def as_mixer(learned: Learned) -> Callable[..., mixers.Mixed]:
  """A Mix Block as `mixer(key, x, *, alpha=2., ...) -> Mixed`.

  Its options are those of `mixers.automix`; `x` is normalised as the images the
  block has learned from. Each call costs a pass of its teacher, up to the stage
  of the features.

  Args:
    learned: The block with its features.

  Returns:
    The mixer.
  """

  def mixer(key, x, **options):
    return mixers.automix(
        key, x, block=learned.block, features=learned.features(x), **options
    )

  return mixer


def save(
    config: Any, data: pipelines.Pipeline, learned: Learned, path: pathlib.Path
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
  draw = jax.jit(functools.partial(_draw, config.data, as_mixer(learned)))
  mixed = [jax.device_get(draw(images, lam)) for lam in LAMBDAS]
  plots.masks(batch["image"], mixed, LAMBDAS, path)


def _draw(data, mixer, images, lam):
  """Mixes as the network is shown it, then undoes the normalisation."""
  x = augment.normalize(images, data["mean"], data["std"])
  mixed = mixer(jax.random.key(0), x, lam=lam, partner="roll")
  std, mean = (jnp.asarray(data[k]).reshape(1, 1, 1, -1) for k in ("std", "mean"))
  return mixed._replace(x=mixed.x * std + mean)

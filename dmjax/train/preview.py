"""What augmentation and mixers make of images, as pictures."""

import functools
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dmjax import mixers
from dmjax.data import augment
from dmjax.data import photos
from dmjax.data import pipelines
from dmjax.methods import guidance
from dmjax.methods import learned as learned_lib
from dmjax.train import build
from dmjax.train import plots

LAMBDAS = (0.1, 0.3, 0.5, 0.7, 0.9)
# Options that make the pictures of `save_all` comparable and worth looking at.
# AlignMix aligns features: it is shown on the images at the size of a map.
_SHOWN = {
    "manifold_mixup": {"stages": (0,)},
    "puzzlemix": {"blocks": 16},
    "comixup": {"partition": 6},
}
_MAP_SIZE = 24


def save(config: Any, data: pipelines.Pipeline, path: pathlib.Path) -> None:
  """Draws mixed images of the first rows of a split, with their weights.

  Args:
    config: The configuration, of which the seed and the mixer are used.
    data: The split.
    path: The picture.
  """
  mixer = build.make_mixer(config.mix)

  # In one compiled call: op by op it took a fifth of a short run.
  def draw(key, batch, shared):
    batch = data.select(batch, shared)
    images = batch["image"]
    guides = guidance.training_free(mixer, images.astype(jnp.float32) / 255)
    mix = functools.partial(mixer, key, **guides)
    return images, batch["label"], _as_shown(config.data, mix, images)

  key, rows = jax.random.key(config.seed), np.arange(min(8, data.size))
  shown = jax.device_get(jax.jit(draw)(key, data.rows(rows), data.shared))
  plots.mixed_batch(*shown, data.class_names, path)


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


def save_all(path: pathlib.Path, *, seed: int = 0) -> None:
  """Draws every mixer on the same pairs of photographs, lambda about a half.

  Guided mixers get training-free maps: the spectral residual as saliency,
  class activation and attention, colours as features.

  Args:
    path: The picture.
    seed: Of the mixers.
  """
  images, names = photos.pairs()
  key = jax.random.key(seed)
  mixed = {name: _mix(name, key, images) for name in mixers.MIXERS}
  plots.zoo(images, names, mixed, path)


def _mix(name, key, images):
  mixer = mixers.MIXERS[name]
  floats = jnp.asarray(images, jnp.float32) / 255
  if name == "alignmix":
    shape = (len(images), _MAP_SIZE, _MAP_SIZE, 3)
    floats = jax.image.resize(floats, shape, "linear")
  options = {"lam": 0.55, "partner": np.roll(np.arange(len(images)), 3)}
  known = mixers.options_of(mixer)
  options = {k: v for k, v in options.items() if k in known}
  mixer = functools.partial(mixer, **options | _SHOWN.get(name, {}))

  def mix(key, images):
    guides = guidance.training_free(mixer, images)
    if guidance.asked(mixer).after:
      # In training these weights come from the forward pass on mixed images.
      guides = guidance.training_free(mixers.tokenmix, mixer(key, images).x)
    return mixer(key, images, **guides)

  return jax.jit(mix)(key, floats)


def save_masks(
    config: Any,
    data: pipelines.Pipeline,
    learned: learned_lib.Learned,
    path: pathlib.Path,
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

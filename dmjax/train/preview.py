"""What augmentation and mixers make of images, as pictures."""

import functools
import pathlib

import jax
import jax.numpy as jnp
import numpy as np

from dmjax import methods
from dmjax import mixers
from dmjax import randomness
from dmjax.data import photos
from dmjax.methods import guidance
from dmjax.train import plots
from dmjax.train.run import Run

LAMBDAS = (0.1, 0.3, 0.5, 0.7, 0.9)
# Options that make the pictures of `save_all` comparable and worth looking at.
# AlignMix aligns features: it is shown on the images at the size of a map.
_SHOWN = {
    "manifold_mixup": {"stages": (0,)},
    "puzzlemix": {"blocks": 16},
    "comixup": {"partition": 6},
}
_MAP_SIZE = 24


def save(run: Run, path: pathlib.Path) -> None:
  """Draws mixed images of the first rows of training, with their weights.

  Args:
    run: The run.
    path: The picture.
  """
  data, mixer = run.pipeline("train"), run.mixer

  # In one compiled call: op by op it took a fifth of a short run.
  def draw(key, batch, shared):
    batch = data.select(batch, shared)
    guides = guidance.training_free(mixer.guidance, batch["x"])
    return batch["x"], batch["label"], mixer.mix(key, batch["x"], **guides)

  rows = data.rows(np.arange(min(8, data.size)))
  shown = jax.device_get(jax.jit(draw)(_key(run), rows, data.shared))
  plots.mixed_batch(*shown, data.class_names, path)


def save_augmented(run: Run, path: pathlib.Path) -> None:
  """Draws the first training images as they are augmented, before mixing.

  Args:
    run: The run.
    path: The picture.
  """
  data = run.pipeline("train")
  count = min(24, data.size) // 8 * 8 or data.size
  batch = data.batches(count, run.config.seed).next()

  def prepare(key, batch, shared):
    return run.augment(key, data.select(batch, shared)["x"])

  images = jax.jit(prepare)(_key(run), batch, data.shared)
  plots.images(jax.device_get(images), path)


def _key(run):
  return randomness.for_purpose(jax.random.key(run.config.seed), "preview")


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
  images = jnp.asarray(images, jnp.float32) / 255
  key = jax.random.key(seed)
  mixed = {name: _mix(name, key, images) for name in mixers.MIXERS}
  plots.zoo(jax.device_get(images), names, mixed, path)


def _mix(name, key, images):
  mixer, needs = mixers.MIXERS[name], mixers.guidance_of(mixers.MIXERS[name])
  if name == "alignmix":
    shape = (len(images), _MAP_SIZE, _MAP_SIZE, 3)
    images = jax.image.resize(images, shape, "linear")
  options = {"lam": 0.55, "partner": np.roll(np.arange(len(images)), 3)}
  known = mixers.options_of(mixer)
  options = {k: v for k, v in options.items() if k in known}
  mixer = functools.partial(mixer, **options | _SHOWN.get(name, {}))

  def mix(key, images):
    guides = guidance.training_free(needs, images)
    if needs.after:
      # In training these weights come from the forward pass on mixed images.
      attention = mixers.needs("attention")
      guides = guidance.training_free(attention, mixer(key, images).x)
    return mixer(key, images, **guides)

  return jax.jit(mix)(key, images)


def save_masks(
    run: Run, learned: methods.Learned, path: pathlib.Path
) -> None:
  """Draws inputs, masks and mixed images of a few pairs for several lambdas.

  Args:
    run: The run, whose first test images are mixed.
    learned: The Mix Block.
    path: The picture.
  """
  data, mixer = run.pipeline("test"), methods.as_mixer(learned)

  @jax.jit
  def draw(images, lam):
    return mixer(jax.random.key(0), images, lam=lam, partner="roll")

  rows = data.rows(np.arange(min(6, data.size)))
  images = jax.jit(data.select)(rows, data.shared)["x"]
  mixed = [jax.device_get(draw(images, lam)) for lam in LAMBDAS]
  plots.masks(jax.device_get(images), mixed, LAMBDAS, path)

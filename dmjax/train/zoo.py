"""Every mixer on the same photographs, as drawing."""

import functools
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import tqdm

from dmjax import mixers
from dmjax.data import photos
from dmjax.methods import stand_ins
from dmjax.train import comparisons

# Options that make the pictures comparable and worth looking at.
# AlignMix aligns features: it is shown on the images at the size of a map.
_SHOWN = {
    "manifold_mixup": {"stages": (0,)},
    "puzzlemix": {"blocks": 16},
    "comixup": {"partition": 6},
}
_MAP_SIZE = 24
_WHERE = {"manifold_mixup": ", stage 0", "alignmix": ", pixels"}


def save(path: pathlib.Path, *, seed: int = 0) -> None:
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
  # Each compiles; where stderr is no terminal a bar would be but one long line.
  bar = tqdm.tqdm(mixers.MIXERS, "mixers", unit="mixer", disable=None)
  mixed = {}
  for name in bar:
    bar.set_postfix_str(name)
    mixed[name + _WHERE.get(name, "")] = mix_photographs(
        name, key, images
    )
  comparisons.zoo(jax.device_get(images), names, mixed, path)


def mix_photographs(
    name: str, key: jax.Array, images: jax.Array, *, lam: float | np.ndarray = 0.55
) -> mixers.Mixed:
  """Mixes each image with one half of the batch away.

  Args:
    name: Of the mixer, a key of `mixers.MIXERS`.
    key: PRNG key.
    images: `float32[B, H, W, 3]` in [0, 1], B even.
    lam: Lambda of those mixers that have one, a scalar or `[B]`.

  Returns:
    The mixed batch; what the mixer needs comes from training-free maps.
  """
  mixer, needs = mixers.MIXERS[name], mixers.guidance_of(mixers.MIXERS[name])
  if name == "alignmix":
    shape = (len(images), _MAP_SIZE, _MAP_SIZE, 3)
    images = jax.image.resize(images, shape, "linear")
  half = len(images) // 2
  options = {"lam": lam, "partner": np.roll(np.arange(len(images)), half)}
  known = mixers.options_of(mixer)
  options = {k: v for k, v in options.items() if k in known}
  mixer = functools.partial(mixer, **options | _SHOWN.get(name, {}))

  def mix(key, images):
    guides = stand_ins.training_free(needs, images)
    if needs.after:
      # In training these weights come from the forward pass on mixed images.
      attention = mixers.needs(*(needs.after - {"progress"}))
      guides = stand_ins.training_free(attention, mixer(key, images).x)
    return mixer(key, images, **guides)

  return jax.jit(mix)(key, images)

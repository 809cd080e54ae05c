"""What a trained network sees in files of images, or of texts."""

from collections.abc import Sequence
import pathlib

import jax
import numpy as np

from dmjax import methods
from dmjax.data import base
from dmjax.data import examples
from dmjax.data import pictures
from dmjax.train.run import Run


def predict(
    run: Run, state: methods.TrainState, paths: Sequence[pathlib.Path]
) -> list[list[tuple[str, float]]]:
  """The classes of images or texts, the most probable first.

  Args:
    run: A trained run, of `run.load`.
    state: Its state.
    paths: Of the images, which are cropped and resized as test images are. Or
      of what the domain of the run reads, such as texts.

  Returns:
    For each file its classes with their probabilities.

  Raises:
    ValueError: For a run on other inputs.
  """
  source, read = run.sources["test"], run.domain.read_file
  if source.kind != "image" and not read:
    raise ValueError(
        "predict reads images and texts, and --workdir is a run on inputs of"
        f" kind {source.kind!r};"
        " call run.method.predict of dmjax.load, as in its docstring"
    )
  names = source.class_names
  step = jax.jit(lambda x: jax.nn.softmax(run.method.predict(state, {"x": x})))
  found = []
  for start in range(0, len(paths), run.config.evaluate.batch_size):
    batch = paths[start : start + run.config.evaluate.batch_size]
    if read:
      x = np.stack([read(source, path) for path in batch])
    else:
      x = _images(run, batch)
    found += list(jax.device_get(step(x)))
  return [
      [(names[i], float(p[i])) for i in np.argsort(-p, kind="stable")]
      for p in found
  ]


def image_side(run: Run) -> int:
  """Side of the images that the network of a run is evaluated on."""
  data = run.config.data
  return data.test_image_size or data.image_size or run.example["x"].shape[1]


def _images(run, paths):
  """Test images `[B, H, W, C]` in [0, 1], with the channels of the network."""
  channels = run.example["x"].shape[-1]

  def read(index):
    pixels = pictures.read_file(str(paths[index]))
    return {"x": pictures.with_channels(pixels, channels), "label": 0}

  source = run.sources["test"]._replace(read=read, size=len(paths))
  rows = [
      examples.read(source, i, image_side(run), run.config.data.test_resize)
      for i in range(len(paths))
  ]
  return base.as_floats(examples.stack(rows))["x"]

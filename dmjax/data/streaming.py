"""A source that is decoded while training runs, by Grain."""

from collections.abc import Callable
from concurrent import futures
import os

from absl import flags
import grain
import jax
import numpy as np
from PIL import Image

from dmjax.data import base
from dmjax.data import examples
from dmjax.data import groups
from dmjax.data import labels as labels_lib

Crop = Callable[[np.random.Generator, Image.Image], Image.Image]

# Batches decoded at a time without worker processes, a thread for each.
_THREADS = 4
# Rows of a dataset that nobody will reach the end of.
_ENDLESS = 2**48


def pipeline(
    source: base.Source, image_size: int = 0, workers: int = 0, *,
    resize: int = 0, repeats: int = 1, crop: Crop | None = None,
    per_class: int = 0,
) -> base.Pipeline:
  """Decodes and resizes, or crops, while training runs, with Grain.

  Args:
    source: The source.
    image_size: Size that images are resized to; 0 keeps theirs, which must
      then be the same for all.
    workers: Worker processes; 0 decodes in threads of this one.
    resize: Of the shorter side, before the central crop to `image_size`.
    repeats: Times that every image is in its batch.
    crop: `(rng, picture) -> picture` of the final size, for training batches
      instead of the resizing.
    per_class: Examples of one class that stand together in a batch, see
      `groups`, for which all labels are read; 0 for batches of any classes.

  Returns:
    The pipeline.

  Raises:
    ValueError: When it is met, for an image of another shape than the first;
      and see `groups`.
  """

  def load(index, rng=None):
    if crop is None or rng is None:
      return examples.read(source, index, image_size, resize)
    example = examples.whole(source, index)
    picture = crop(rng, examples.to_picture(example["x"]))
    return example | {"x": examples.to_pixels(picture)}

  def load_batch(indices, rng):
    shape = first["x"].shape[1:]
    found = (load(index, rng) for index in indices)
    return examples.stack([examples.check_shape(e, shape) for e in found])

  def batches(batch_size, seed, position=None):
    if per_class:
      dataset = _together(together, per_class, batch_size, seed)
    else:
      dataset = _shuffled(source.size, seed, repeats)
    # Whole batches go through Grain, which has work with every element.
    size = batch_size // jax.process_count()
    dataset = dataset.batch(size, drop_remainder=True).random_map(load_batch)
    iterator = _iterate(dataset, workers)
    if position is not None:
      iterator.set_state(position)
    return base.Stream(lambda: next(iterator), iterator.get_state)

  def rows(indices):
    with futures.ThreadPoolExecutor(os.cpu_count()) as pool:
      return examples.stack(list(pool.map(load, indices)))

  def select(batch, shared):
    return source.finish(batch, shared)

  first, together = rows([0]), ()
  if per_class:
    together = groups.members(
        labels_lib.read_all(source), per_class, source.class_names
    )
  return base.Pipeline(
      source.size, source.class_names, base.example_of(source, first),
      source.shared(), batches, rows, select,
  )


def _shuffled(size, seed, repeats):
  """The rows of this process, shuffled in every epoch."""
  processes = jax.process_count()
  dataset = grain.MapDataset.range(jax.process_index(), size, processes)
  dataset = dataset.seed(seed).shuffle().repeat()
  # A dataset mixed with itself has each of its elements several times in turn.
  return grain.MapDataset.mix([dataset] * repeats)


def _together(rows, per_class, batch_size, seed):
  """The rows of this process's part of every batch, class by class."""
  size = batch_size // jax.process_count()
  first = size * jax.process_index()
  classes = groups.classes_of_device(batch_size, per_class, len(rows))

  def row(place):
    step, at = divmod(place, size)
    whole = step * batch_size + first + at
    return groups.row(rows, per_class, classes, seed, whole)

  return grain.MapDataset.range(_ENDLESS).seed(seed).map(row)


def _iterate(dataset, workers):
  # As many wait as are decoded. This bounds the memory: Grain's default would
  # keep 500 in each process, 19 GB of 256 images of 224 px.
  ahead = 1 if workers else _THREADS
  options = grain.ReadOptions(num_threads=ahead, prefetch_buffer_size=ahead)
  dataset = dataset.to_iter_dataset(options)
  if workers:
    if not flags.FLAGS.is_parsed():
      flags.FLAGS.mark_as_parsed()  # Grain's workers read absl flags.
    options = grain.MultiprocessingOptions(num_workers=workers)
    dataset = dataset.mp_prefetch(options)
  return iter(dataset)

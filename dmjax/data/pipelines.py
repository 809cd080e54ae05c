"""Two ways from a split to batches in the step, with one interface.

*Resident*: the split is decoded once, its uint8 pixels lie on the devices, and
a batch is a list of row numbers. *Streaming*: Grain workers decode and resize,
and a batch is its pixels. Either is a function of seed and step, sharded by
process, and resumable.
"""

from collections.abc import Callable, Iterator, Mapping
import concurrent.futures
import os
from typing import Any, NamedTuple

import grain
import jax
import numpy as np
from PIL import Image
import tqdm

from dmjax import parallel
from dmjax.data import sources

Arrays = dict[str, np.ndarray]


class Pipeline(NamedTuple):
  """A split as batches.

  Attributes:
    size: Number of examples.
    class_names: Names of the classes.
    image_shape: `(H, W, C)`.
    shared: Arrays that every step needs, placed on the devices once.
    batches: `(batch_size, seed, position) -> Stream` of training batches of
      this process, from a position that a stream gave, or None.
    rows: `row numbers -> batch` of those rows.
    select: `(batch, shared) -> {"image": uint8, "label"}`, inside the step.
  """

  size: int
  class_names: tuple[str, ...]
  image_shape: tuple[int, int, int]
  shared: dict[str, jax.Array]
  batches: Callable[..., "Stream"]
  rows: Callable[[np.ndarray], Arrays]
  select: Callable[..., dict[str, jax.Array]]

  @property
  def num_classes(self) -> int:
    """Number of classes."""
    return len(self.class_names)


class Stream(NamedTuple):
  """Endless training batches, and where we are in them.

  Attributes:
    next: `() -> batch`, host arrays with this process's rows.
    position: `() -> JSON-able position` of the next batch.
  """

  next: Callable[[], Arrays]
  position: Callable[[], Any]


def shard_rows(rows: np.ndarray) -> np.ndarray:
  """This process's part of the rows of a global batch."""
  return np.split(rows, jax.process_count())[jax.process_index()]


def resident(split: sources.Split, image_size: int = 0) -> Pipeline:
  """Decodes the whole split, with a progress bar, and keeps it on the devices.

  Args:
    split: The split.
    image_size: Size that images are resized to; 0 keeps theirs, which must
      then be the same for all.

  Returns:
    The pipeline.

  Raises:
    ValueError: For images of different sizes, or labels out of range.
  """
  images, labels = _decode(split, image_size)
  shared = parallel.replicate({"images": images, "labels": labels})

  def batches(batch_size, seed, position=None):
    steps = iter(_epochs(split.size, batch_size, seed, position or 0))
    done = [position or 0]

    def following():
      done[0] += 1
      return {"row": shard_rows(next(steps))}

    return Stream(following, lambda: done[0])

  def select(batch, shared):
    row = batch["row"]
    return {"image": shared["images"][row], "label": shared["labels"][row]}

  return Pipeline(
      split.size, split.class_names, images.shape[1:], shared, batches,
      lambda rows: {"row": rows.astype(np.int32)}, select,
  )


def _epochs(size, batch_size, seed, step) -> Iterator[np.ndarray]:
  """Row numbers of every global batch from `step` on, shuffled per epoch."""
  per_epoch = size // batch_size
  while True:
    epoch, first = divmod(step, per_epoch)
    order = np.random.default_rng((seed, epoch)).permutation(size)
    for batch in range(first, per_epoch):
      rows = order[batch * batch_size : (batch + 1) * batch_size]
      yield rows.astype(np.int32)
      step += 1


def _decode(split, image_size):
  read = lambda i: _read(split, i, image_size)
  with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    examples = list(tqdm.tqdm(
        pool.map(read, range(split.size)), "decoding", split.size,
        unit="img", leave=False, delay=1.0,
    ))
  shapes = {image.shape for image, _ in examples}
  if len(shapes) > 1:
    raise ValueError(
        f"the images have {len(shapes)} different sizes; set"
        " --config.data.image_size, or --config.data.pipeline=streaming with it"
    )
  labels = np.array([label for _, label in examples], np.int32)
  return np.stack([image for image, _ in examples]), labels


def _read(split, index, image_size):
  image, label = split.read(index)
  if not 0 <= label < len(split.class_names):
    raise ValueError(
        f"label of example {index} must lie in [0, {len(split.class_names)}), got"
        f" {label}"
    )
  if image_size and image.shape[:2] != (image_size, image_size):
    image = _resize(image, image_size)
  return image, label


def _resize(image, size):
  """Shorter side to `size`, then the central square."""
  grey = image.shape[-1] == 1
  picture = Image.fromarray(image[..., 0] if grey else image)
  scale = size / min(picture.size)
  sides = [max(size, round(side * scale)) for side in picture.size]
  picture = picture.resize(sides, Image.Resampling.BICUBIC)
  left, top = ((side - size) // 2 for side in sides)
  pixels = np.asarray(picture.crop((left, top, left + size, top + size)))
  return pixels[..., None] if grey else pixels


def streaming(
    split: sources.Split, image_size: int = 0, workers: int = 0
) -> Pipeline:
  """Decodes and resizes while training runs, with Grain.

  Args:
    split: The split.
    image_size: Size that images are resized to; 0 keeps theirs, which must
      then be the same for all.
    workers: Worker processes; 0 decodes in threads of this one.

  Returns:
    The pipeline.
  """

  def load(index):
    image, label = _read(split, index, image_size)
    return {"image": image, "label": np.int32(label)}

  def batches(batch_size, seed, position=None):
    processes = jax.process_count()
    dataset = grain.MapDataset.range(jax.process_index(), split.size, processes)
    dataset = dataset.seed(seed).shuffle().repeat().map(load)
    dataset = dataset.batch(batch_size // processes, drop_remainder=True)
    iterator = _iterate(dataset, workers)
    if position is not None:
      iterator.set_state(position)
    return Stream(lambda: next(iterator), iterator.get_state)

  def rows(indices):
    examples = [load(i) for i in indices]
    return {k: np.stack([e[k] for e in examples]) for k in examples[0]}

  def select(batch, shared):
    del shared
    return {"image": batch["image"], "label": batch["label"]}

  return Pipeline(
      split.size, split.class_names, load(0)["image"].shape, {}, batches, rows,
      select,
  )


def _iterate(dataset, workers):
  dataset = dataset.to_iter_dataset(grain.ReadOptions(num_threads=4))
  if workers:
    options = grain.MultiprocessingOptions(num_workers=workers)
    dataset = dataset.mp_prefetch(options)
  return iter(dataset)


PIPELINES = {"resident": resident, "streaming": streaming}


def open_pipeline(config: Mapping[str, Any], split: str) -> Pipeline:
  """The pipeline of `config.data` for one of its splits, `train` or `test`."""
  opened = sources.open_split(config["name"], config[split], config["dir"])
  if config["pipeline"] == "resident":
    return resident(opened, config["image_size"])
  return streaming(opened, config["image_size"], config["workers"])

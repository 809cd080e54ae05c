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

from absl import flags
import grain
import jax
import numpy as np
from PIL import Image
import tqdm

from dmjax import parallel
from dmjax.data import crops
from dmjax.data import randaugment
from dmjax.data import sources

Arrays = dict[str, np.ndarray]
Augment = Callable[[np.random.Generator, Image.Image], Image.Image]


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


def resident(
    split: sources.Split, image_size: int = 0, *, resize: int = 0,
    repeats: int = 1,
) -> Pipeline:
  """Decodes the whole split, with a progress bar, and keeps it on the devices.

  Args:
    split: The split.
    image_size: Size that images are resized to; 0 keeps theirs, which must
      then be the same for all.
    resize: Of the shorter side, before the central crop to `image_size`.
    repeats: Times that every image is in its batch.

  Returns:
    The pipeline.

  Raises:
    ValueError: For images of different sizes, or labels out of range.
  """
  images, labels = _decode(split, image_size, resize)
  shared = parallel.replicate({"images": images, "labels": labels})

  def batches(batch_size, seed, position=None):
    done = [position or 0]
    steps = _epochs(split.size, batch_size, seed, done[0], repeats)

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


def _epochs(size, batch_size, seed, step, repeats) -> Iterator[np.ndarray]:
  """Row numbers of every global batch from `step` on, shuffled per epoch.

  With repeats an epoch has as many batches, of fewer different rows; where they
  do not divide a batch, the last image goes on in the next one.
  """
  per_epoch = size // batch_size
  while True:
    epoch, first = divmod(step, per_epoch)
    order = np.random.default_rng((seed, epoch)).permutation(size)
    for batch in range(first, per_epoch):
      places = np.arange(batch * batch_size, (batch + 1) * batch_size)
      yield order[places // repeats].astype(np.int32)
      step += 1


def _decode(split, image_size, resize):
  read = lambda i: _read(split, i, image_size, resize)
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


def _read(split, index, image_size, resize=0):
  """An example of the given size."""
  image, label = _read_whole(split, index)
  if image_size and (resize or image.shape[:2] != (image_size, image_size)):
    square = crops.central_crop(to_picture(image), image_size, resize)
    image = to_pixels(square)
  return image, label


def _read_whole(split, index):
  image, label = split.read(index)
  if not 0 <= label < len(split.class_names):
    raise ValueError(
        f"label of example {index} must lie in [0, {len(split.class_names)}), got"
        f" {label}"
    )
  return image, label


def to_picture(image: np.ndarray) -> Image.Image:
  """Pixels `uint8[H, W, C]` as a picture, grey for C = 1."""
  return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)


def to_pixels(picture: Image.Image) -> np.ndarray:
  """A picture as `uint8[H, W, C]`."""
  pixels = np.asarray(picture)
  return pixels[..., None] if pixels.ndim == 2 else pixels


def streaming(
    split: sources.Split, image_size: int = 0, workers: int = 0, *,
    resize: int = 0, repeats: int = 1, augment: Augment | None = None,
) -> Pipeline:
  """Decodes, resizes and augments while training runs, with Grain.

  Args:
    split: The split.
    image_size: Size that images are resized to; 0 keeps theirs, which must
      then be the same for all.
    workers: Worker processes; 0 decodes in threads of this one.
    resize: Of the shorter side, before the central crop to `image_size`.
    repeats: Times that every image is in its batch.
    augment: `(rng, picture) -> picture` of the final size, for training batches
      instead of the resizing.

  Returns:
    The pipeline.
  """

  def load(index, rng=None):
    if augment is None or rng is None:
      image, label = _read(split, index, image_size, resize)
    else:
      image, label = _read_whole(split, index)
      image = to_pixels(augment(rng, to_picture(image)))
    return {"image": image, "label": np.int32(label)}

  def batches(batch_size, seed, position=None):
    processes = jax.process_count()
    dataset = grain.MapDataset.range(jax.process_index(), split.size, processes)
    dataset = dataset.seed(seed).shuffle().repeat()
    # A dataset mixed with itself has each of its elements several times in turn.
    dataset = grain.MapDataset.mix([dataset] * repeats).random_map(load)
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
    if not flags.FLAGS.is_parsed():
      flags.FLAGS.mark_as_parsed()  # Grain's workers read absl flags.
    options = grain.MultiprocessingOptions(num_workers=workers)
    dataset = dataset.mp_prefetch(options)
  return iter(dataset)


def open_pipeline(config: Mapping[str, Any], split: str) -> Pipeline:
  """The pipeline of `config.data` for one of its splits, `train` or `test`."""
  opened = sources.open_split(config["name"], config[split], config["dir"])
  options = {"image_size": config["image_size"], "repeats": config["repeats"]}
  if split == "test":
    size = config["test_image_size"] or config["image_size"]
    options = {"image_size": size, "resize": config["test_resize"]}
  if config["pipeline"] == "resident":
    return resident(opened, **options)
  if split == "train":
    options["augment"] = host_augment(config)
  return streaming(opened, workers=config["workers"], **options)


def host_augment(config: Mapping[str, Any]) -> Augment | None:
  """What streaming workers do to a training picture; None for resizing alone.

  Args:
    config: The `data` section.

  Returns:
    `(rng, picture) -> picture`.
  """
  size, scale = config["image_size"], tuple(config["crop_scale"])
  text, fill = config["rand_augment"], _fill(config["mean"])
  policy = randaugment.parse(text) if text else None
  if not (scale or policy):
    return None

  def augment(rng, picture):
    if scale:
      picture = crops.random_resized_crop_on_host(
          rng, picture, size, scale=scale
      )
    elif size:
      picture = crops.central_crop(picture, size)
    if policy:
      picture = randaugment.rand_augment(rng, picture, policy, fill)
    return picture

  return augment


def _fill(mean):
  """The mean colour, which normalisation makes zero."""
  values = tuple(round(255 * value) for value in mean)
  return values if len(values) > 1 else values * 3

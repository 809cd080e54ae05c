"""A split that lies on the devices, decoded once, as uint8 pixels."""

from collections.abc import Iterator
from concurrent import futures
import os

import numpy as np
import tqdm

from dmjax import parallel
from dmjax.data import base
from dmjax.data import sources


def pipeline(
    split: sources.Split, image_size: int = 0, *, resize: int = 0,
    repeats: int = 1,
) -> base.Pipeline:
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
      return {"row": parallel.shard_rows(next(steps))}

    return base.Stream(following, lambda: done[0])

  def select(batch, shared):
    row = batch["row"]
    return {"image": shared["images"][row], "label": shared["labels"][row]}

  return base.Pipeline(
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
  read = lambda i: base.read(split, i, image_size, resize)
  with futures.ThreadPoolExecutor(os.cpu_count()) as pool:
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

"""A source that lies on the devices, decoded once, images as uint8 pixels."""

from collections.abc import Iterator
from concurrent import futures
import os

import numpy as np
import tqdm

from dmjax import parallel
from dmjax.data import base
from dmjax.data import examples
from dmjax.data import groups
from dmjax.data import unreadable


def pipeline(
    source: base.Source, image_size: int = 0, *, resize: int = 0,
    repeats: int = 1, skip_bad: bool = False, per_class: int = 0,
) -> base.Pipeline:
  """Decodes the whole source, with a progress bar, and keeps it on the devices.

  Args:
    source: The source.
    image_size: Size that images are resized to; 0 keeps theirs, which must
      then be the same for all.
    resize: Of the shorter side, before the central crop to `image_size`.
    repeats: Times that every image is in its batch.
    skip_bad: Leave out what cannot be read, with a warning.
    per_class: Examples of one class that stand together in a batch, see
      `groups`; 0 for batches of any classes.

  Returns:
    The pipeline. Where the source has fewer examples than a batch, it is shuffled
    several times to fill one.

  Raises:
    ValueError: For images of different sizes, labels out of range, and images
      that cannot be read, all of which it names; and see `groups`.
  """
  found = _decode(source, image_size, resize)
  arrays = examples.stack(unreadable.sort_out(found, skip_bad))
  size, together = len(arrays["label"]), ()
  if per_class:
    together = groups.members(arrays["label"], per_class, source.class_names)
  shared = {"rows": parallel.replicate(arrays), "rest": source.shared()}

  def batches(batch_size, seed, position=None):
    done = [position or 0]
    if per_class:
      steps = groups.batches(together, per_class, batch_size, seed, done[0])
    else:
      steps = _epochs(size, batch_size, seed, done[0], repeats)

    def following():
      done[0] += 1
      return {"row": parallel.shard_rows(next(steps))}

    return base.Stream(following, lambda: done[0])

  def select(batch, shared):
    rows = {k: v[batch["row"]] for k, v in shared["rows"].items()}
    return source.finish(rows, shared["rest"])

  return base.Pipeline(
      size, source.class_names, base.example_of(source, arrays), shared, batches,
      lambda rows: {"row": rows.astype(np.int32)}, select,
  )


def _epochs(size, batch_size, seed, step, repeats) -> Iterator[np.ndarray]:
  """Row numbers of every global batch from `step` on, shuffled per epoch.

  With repeats an epoch has as many batches, of fewer different rows; where they
  do not divide a batch, the last image goes on in the next one.
  """
  shuffles = -(-batch_size // size)
  per_epoch = shuffles * size // batch_size
  while True:
    epoch, first = divmod(step, per_epoch)
    rng = np.random.default_rng((seed, epoch))
    order = np.concatenate([rng.permutation(size) for _ in range(shuffles)])
    for batch in range(first, per_epoch):
      places = np.arange(batch * batch_size, (batch + 1) * batch_size)
      yield order[places // repeats].astype(np.int32)
      step += 1


def _decode(source, image_size, resize):
  """Examples, and in place of those that cannot be read the reason."""

  def read(index):
    try:
      return examples.read(source, index, image_size, resize)
    except unreadable.Unreadable as error:
      return str(error)

  with futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    return list(tqdm.tqdm(
        pool.map(read, range(source.size)), "decoding", source.size,
        unit="img", leave=False, delay=1.0,
    ))

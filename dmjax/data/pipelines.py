"""Two ways from a source to batches in the step, with one interface.

*Resident*: the source is decoded once, its pixels lie on the devices, and a
batch is a list of row numbers. *Streaming*: Grain workers decode and resize, and
a batch is its pixels. Either is a function of seed and step, sharded by process,
and resumable. `together` makes one of several.
"""

from collections.abc import Callable, Mapping
import functools
from typing import Any
import zlib

import numpy as np

from dmjax.data import base
from dmjax.data import crops
from dmjax.data import examples
from dmjax.data import pictures
from dmjax.data import resident
from dmjax.data import streaming
from dmjax.data import unreadable


def open_pipeline(
    config: Mapping[str, Any], source: base.Source, split: str
) -> base.Pipeline:
  """The pipeline of a source.

  Args:
    config: The `data` section.
    source: The source.
    split: `train`, or `test` for the sizes of test images.

  Returns:
    The pipeline.

  Raises:
    ValueError: See the two; for examples that cannot be read, unless `skip_bad`
      is set: then resident data go without them, and streaming reads the next
      one in their place.
  """
  source = _converted(config, source)
  options = {"image_size": config["image_size"], "repeats": config["repeats"]}
  if split == "test":
    size = config["test_image_size"] or config["image_size"]
    options = {"image_size": size, "resize": config["test_resize"]}
  else:
    options["per_class"] = config["per_class"]
  if config["pipeline"] == "resident":
    return resident.pipeline(source, skip_bad=config["skip_bad"], **options)
  if split == "train":
    options["crop"] = host_crop(config)
  guard = unreadable.stepping_over if config["skip_bad"] else unreadable.strict
  return streaming.pipeline(guard(source), workers=config["workers"], **options)


def example(config: Mapping[str, Any], source: base.Source) -> base.Arrays:
  """A batch of one row of zeros, as the pipeline will give it.

  Args:
    config: The `data` section.
    source: The source, of which the first readable example is read.

  Returns:
    The batch.

  Raises:
    ValueError: Where no example can be read.
  """
  source = unreadable.stepping_over(_converted(config, source), quiet=True)
  row = examples.read(source, 0, config["image_size"])
  return base.example_of(source, examples.stack([row]))


def _converted(config, source):
  """The source, its images with `data.channels` channels."""
  channels = config["channels"]
  if not channels or source.kind != "image":
    return source

  def read(index):
    found = source.read(index)
    return found | {"x": pictures.with_channels(found["x"], channels)}

  return source._replace(read=read)


def host_crop(config: Mapping[str, Any]) -> streaming.Crop | None:
  """What streaming workers do to a training picture; None for resizing alone."""
  if not config["crop_scale"]:
    return None
  return functools.partial(
      crops.random_resized_crop, size=config["image_size"],
      scale=tuple(config["crop_scale"]),
  )


def together(
    pipelines: Mapping[str, base.Pipeline], ratio: int = 1
) -> base.Pipeline:
  """Several streams as one, `{"labelled": batch, "unlabelled": batch}`.

  Every stream is shuffled by itself. An epoch is that of the first.

  Args:
    pipelines: By name. The classes are those of the first.
    ratio: Rows of every other stream for each row of the first.

  Returns:
    The pipeline; its batches, shared arrays and rows nest by the names.

  Raises:
    ValueError: For no pipeline, or a ratio below 1.
  """
  if not pipelines:
    raise ValueError("pipelines must hold at least one pipeline, got none")
  if ratio < 1:
    raise ValueError(f"ratio must be >= 1, got {ratio}")
  first, *others = pipelines
  sizes = {first: 1} | {name: ratio for name in others}

  def batches(batch_size, seed, position=None):
    streams = {
        name: pipeline.batches(
            sizes[name] * batch_size, _seed_of(seed, name),
            position and position[name],
        )
        for name, pipeline in pipelines.items()
    }
    return base.Stream(
        lambda: {name: stream.next() for name, stream in streams.items()},
        lambda: {name: stream.position() for name, stream in streams.items()},
    )

  def each(function: Callable[[str, base.Pipeline], Any]):
    return {name: function(name, p) for name, p in pipelines.items()}

  return base.Pipeline(
      pipelines[first].size,
      pipelines[first].class_names,
      each(lambda name, p: p.example),
      each(lambda name, p: p.shared),
      batches,
      lambda rows: each(lambda name, p: p.rows(rows % p.size)),
      lambda batch, shared: each(lambda k, p: p.select(batch[k], shared[k])),
  )


def _seed_of(seed, name):
  """A seed of its own for every stream, below 2^32 as Grain wants it."""
  words = np.random.SeedSequence((seed, zlib.crc32(name.encode())))
  return int(words.generate_state(1)[0])

"""Two ways from a split to batches in the step, with one interface.

*Resident*: the split is decoded once, its uint8 pixels lie on the devices, and
a batch is a list of row numbers. *Streaming*: Grain workers decode and resize,
and a batch is its pixels. Either is a function of seed and step, sharded by
process, and resumable.
"""

from collections.abc import Mapping
from typing import Any

from dmjax.data import base
from dmjax.data import crops
from dmjax.data import randaugment
from dmjax.data import resident
from dmjax.data import sources
from dmjax.data import streaming

Pipeline = base.Pipeline


def open_pipeline(config: Mapping[str, Any], split: str) -> Pipeline:
  """The pipeline of `config.data` for one of its splits, `train` or `test`."""
  opened = sources.open_split(config["name"], config[split], config["dir"])
  options = {"image_size": config["image_size"], "repeats": config["repeats"]}
  if split == "test":
    size = config["test_image_size"] or config["image_size"]
    options = {"image_size": size, "resize": config["test_resize"]}
  if config["pipeline"] == "resident":
    return resident.pipeline(opened, **options)
  if split == "train":
    options["augment"] = host_augment(config)
  return streaming.pipeline(opened, workers=config["workers"], **options)


def host_augment(config: Mapping[str, Any]) -> streaming.Augment | None:
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

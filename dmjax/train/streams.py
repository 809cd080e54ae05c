"""The data of a run: its sources, its pipelines, and the streams of a step."""

from collections.abc import Callable, Mapping, Sequence
import functools
from typing import Any

from dmjax.data import base
from dmjax.data import derived
from dmjax.data import labels
from dmjax.data import leave_out
from dmjax.data import pipelines
from dmjax.data import sources as sources_lib


def open_sources(
    config: Any, given: Mapping[str, base.Source]
) -> tuple[dict[str, base.Source], Sequence[int]]:
  """The sources of a run, and the rows of `train` whose labels are used.

  Args:
    config: The configuration.
    given: Sources that take the place of its own, as they are: no labels are
      drawn from one, and none replaced.

  Returns:
    `train`, `test` and, for semi-supervised training, `unlabelled`; the rows,
    none where all labels are used.
  """
  data, labelled = config.data, ()
  splits = {"train": data.train, "test": data.test}
  if config.unlabelled.split:
    splits["unlabelled"] = config.unlabelled.split
  reader = given["train"].reader if "train" in given else ""
  options = {**data, "reader": reader}
  opened = {
      name: sources_lib.open_source(data.name, split, data.dir, options)
      for name, split in splits.items() if name not in given
  }
  if data.leave_out:
    opened = {
        name: (leave_out.test if name == "test" else leave_out.training)(
            source, data.leave_out
        ) for name, source in opened.items()
    }
  if data.labels and "train" in opened:
    labelled = labels.draw(opened["train"], data.labels, data.labels_seed)
    opened["train"] = derived.subset(opened["train"], labelled)
  if data.label_noise and "train" in opened:
    opened["train"] = labels.with_noise(
        opened["train"], data.label_noise, data.label_noise_seed
    )
  if "unlabelled" in opened:
    opened["unlabelled"] = derived.unlabelled(opened["unlabelled"])
  return given | opened, labelled


def size_of_epoch(config: Any, sources: Mapping[str, base.Source]) -> int:
  """Labelled images of an epoch, which shows every unlabelled image once."""
  size, few = sources["train"].size, bool(config.data.labels)
  if "unlabelled" in sources:
    size, few = sources["unlabelled"].size // config.unlabelled.ratio, True
  # Few images may be fewer than a batch, which then holds them several times.
  return max(size, config.batch_size) if few else size


def opener(
    data: Any, sources: Mapping[str, base.Source]
) -> Callable[[str], base.Pipeline]:
  """Name of a source to its pipeline, opened at the first call."""

  @functools.cache
  def pipeline(name):
    split = "test" if name == "test" else "train"
    return pipelines.open_pipeline(data, sources[name], split)

  return pipeline


def training_of(
    config: Any, pipeline: Callable[[str], base.Pipeline]
) -> Callable[[], base.Pipeline]:
  """`() -> Pipeline`, of training batches: of one stream, or of both together."""

  @functools.cache
  def training():
    if not config.unlabelled.split:
      return pipeline("train")
    streams = {
        "labelled": pipeline("train"), "unlabelled": pipeline("unlabelled")
    }
    return pipelines.together(streams, config.unlabelled.ratio)

  return training

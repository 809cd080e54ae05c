"""Rows that a probe asks for in place of the test rows of a run."""

import copy

from dmjax.data import base
from dmjax.data import pipelines
from dmjax.data import sources
from dmjax.evaluate import probes
from dmjax.train.run import Run


def open_pipeline(
    run: Run, case: probes.Case, data_dir: str = ""
) -> base.Pipeline:
  """The rows that a case names, as large and as colourful as the run's.

  Args:
    run: The run.
    case: With a `dataset`, or a `split` of the run's own.
    data_dir: Where TFDS datasets lie; where the run's does if empty.

  Returns:
    The pipeline.

  Raises:
    ValueError: For data that cannot be opened, or have inputs that the run
      cannot take.
  """
  data = copy.deepcopy(run.config.data)
  data.dir = data_dir or data.dir
  shape = run.example["x"].shape[1:]
  if run.sources["test"].kind == "image":
    data.image_size, data.channels = shape[0], shape[-1]
  # A slice is of the run's own dataset.
  split = case.split or data.test.split("[")[0]
  name = case.dataset or data.name
  try:
    source = sources.open_source(name, split, data.dir, data)
    _check(run.sources["test"].kind, shape, source, data)
  except ValueError as error:
    what = case.dataset or case.split
    raise ValueError(f"the rows of {what!r}: {error}") from None
  return pipelines.open_pipeline(data, source, "test")


def _check(kind, shape, source, data):
  if source.kind != kind:
    raise ValueError(
        f"the run is on inputs of kind {kind!r} and these are of kind"
        f" {source.kind!r}; name others of the same kind"
    )
  found = pipelines.example(data, source)["x"].shape[1:]
  if found != shape:
    raise ValueError(f"inputs of shape {shape} are needed, and these have {found}")

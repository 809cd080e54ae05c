"""The other dataset of the probe `ood`, as inputs that a run can take."""

import copy

from dmjax.data import base
from dmjax.data import pipelines
from dmjax.data import sources
from dmjax.evaluate import probes
from dmjax.train.run import Run


def open_pipeline(run: Run, options: probes.Options) -> base.Pipeline:
  """All rows of the other dataset, as large and as colourful as the run's.

  Args:
    run: The run.
    options: Of the probes; `ood` names the dataset or a folder.

  Returns:
    The pipeline.

  Raises:
    ValueError: For a dataset that cannot be opened, or has inputs that the run
      cannot take.
  """
  data = copy.deepcopy(run.config.data)
  data.dir = options.data_dir or data.dir
  shape = run.example["x"].shape[1:]
  if run.sources["test"].kind == "image":
    data.image_size, data.channels = shape[0], shape[-1]
  # A slice is of the run's own dataset.
  split = data.test.split("[")[0]
  try:
    source = sources.open_source(options.ood, split, data.dir, data)
    _check(run.sources["test"].kind, shape, source, data)
  except ValueError as error:
    raise ValueError(f"--ood: {error}") from None
  return pipelines.open_pipeline(data, source, "test")


def _check(kind, shape, source, data):
  if source.kind != kind:
    raise ValueError(
        f"the run is on inputs of kind {kind!r} and the other dataset has"
        f" {source.kind!r}; name one of the same kind"
    )
  found = pipelines.example(data, source)["x"].shape[1:]
  if found != shape:
    raise ValueError(
        f"inputs of shape {shape} are needed, and the other dataset has {found}"
    )

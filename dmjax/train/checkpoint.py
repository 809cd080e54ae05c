"""Checkpoints with Orbax: the whole state, and where we are in the data.

All processes save together. Each reads by itself, so that damage which one of
them meets cannot leave the others waiting; then all agree on what they found.
"""

import logging
import pathlib
import shutil
from typing import Any

import jax
from jax.experimental import multihost_utils
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers as policies

from dmjax import parallel
from dmjax.methods import TrainState
from dmjax.train import fitting


def open_manager(
    workdir: pathlib.Path, *, keep: int, best: str = "top1"
) -> ocp.CheckpointManager:
  """The manager of `workdir/checkpoints`: keeps the last few and the best.

  Args:
    workdir: Of the run.
    keep: How many of the latest to keep.
    best: The evaluation metric whose highest checkpoint is kept as well.

  Returns:
    The manager; saving is asynchronous.
  """
  kept = policies.AnyPreservationPolicy([
      policies.LatestN(keep),
      policies.BestN(
          get_metric_fn=lambda metrics: metrics[best],
          n=1,
          keep_checkpoints_without_metrics=False,
      ),
  ])
  options = ocp.CheckpointManagerOptions(preservation_policy=kept)
  directory = _folder(workdir)
  return ocp.CheckpointManager(directory, options=options)


def save(
    manager: ocp.CheckpointManager,
    step: int,
    state: TrainState,
    data: Any,
    metrics: dict[str, float],
) -> None:
  """Starts saving; returns as soon as the state is copied.

  Args:
    manager: Of the run.
    step: Of the state.
    state: The state.
    data: What belongs to it on the host, JSON-able: the position in the data.
    metrics: The latest evaluation, by which the best is chosen.
  """
  manager.save(
      step,
      args=ocp.args.Composite(
          state=ocp.args.StandardSave(parallel.to_global(state)),
          data=ocp.args.JsonSave(data),
      ),
      metrics=metrics or None,
      force=True,
  )


def _folder(workdir):
  """Where the checkpoints are. Orbax reads nothing from a relative path."""
  return (workdir / "checkpoints").absolute()


def steps_of(workdir: pathlib.Path) -> list[int]:
  """The steps of the checkpoints of a run that are whole, the newest first."""
  found = _folder(workdir).glob("[0-9]*")
  return sorted((int(p.name) for p in found if p.name.isdigit()), reverse=True)


def best_step(workdir: pathlib.Path, metric: str = "top1") -> int:
  """The step whose checkpoint has the highest evaluation.

  Args:
    workdir: Of the run.
    metric: By which it is chosen.

  Returns:
    The step.

  Raises:
    ValueError: For a run without a checkpoint that was evaluated.
  """
  found = {}
  for step in steps_of(workdir):
    data, _ = _unless_damaged(_host_side, _folder(workdir) / str(step))
    if data and metric in data["metrics"]:
      found[step] = data["metrics"][metric]
  if not found:
    raise ValueError(f"workdir {str(workdir)!r} has no evaluated checkpoint")
  return max(found, key=found.get)


def restore(
    workdir: pathlib.Path,
    like: TrainState,
    *,
    step: int | None = None,
    repair: bool = False,
) -> tuple[TrainState, Any] | None:
  """The newest checkpoint that can be read, the same on all processes.

  One that cannot be read is passed over with a warning. One that can be read and
  does not fit is an error; it is not touched.

  Args:
    workdir: Of the run.
    like: A state of the structure expected.
    step: The checkpoint of this step, and no other.
    repair: Move what cannot be read to `workdir/damaged`. For the training
      process of the run alone.

  Returns:
    The state, of NumPy arrays, and its host-side data; None where there is no
    checkpoint.

  Raises:
    ValueError: For a checkpoint that does not fit, with the leaves that differ;
      for a `step` that is not there or cannot be read.
  """
  if step is not None and step not in steps_of(workdir):
    raise ValueError(
        f"{str(workdir)!r} has no checkpoint of step {step}; it has"
        f" {steps_of(workdir) or 'none'}"
    )
  for each in steps_of(workdir) if step is None else [step]:
    directory = _folder(workdir) / str(each)
    found, error = _try_to_read(directory, like)
    if not _anywhere(error is not None):
      return found
    if step is not None:
      raise ValueError(f"checkpoint {directory} cannot be read: {error}")
    _pass_over(directory, error, repair)
  return None


def _try_to_read(directory, like):
  """State and host-side data, or what came in between."""
  shapes, error = _unless_damaged(_shapes, directory)
  if error is not None:
    return None, error
  fitting.check(f"checkpoint {directory}", shapes, like)
  return _unless_damaged(_contents, directory, shapes, like)


def _unless_damaged(read, *arguments):
  """What was read, or the error; the machine's own errors are no damage."""
  try:
    return read(*arguments), None
  except (MemoryError, PermissionError):
    raise
  except Exception as error:  # pylint: disable=broad-exception-caught
    return None, error  # Orbax, TensorStore and JSON have errors of their own.


def _shapes(directory):
  with _reader(ocp.PyTreeCheckpointHandler) as reader:
    return reader.metadata(directory / "state").item_metadata.tree


def _contents(directory, shapes, like):
  arguments = jax.tree.map(lambda _: ocp.RestoreArgs(np.ndarray), shapes)
  with _reader(ocp.PyTreeCheckpointHandler) as reader:
    arguments = ocp.args.PyTreeRestore(restore_args=arguments)
    tree = reader.restore(directory / "state", args=arguments)
  return fitting.arranged(tree, like), _host_side(directory)


def _host_side(directory):
  with _reader(ocp.JsonCheckpointHandler) as reader:
    return reader.restore(directory / "data", args=ocp.args.JsonRestore())


def _reader(handler):
  """A reader that waits for no other process."""
  alone = ocp.options.MultiprocessingOptions(
      primary_host=None, active_processes={jax.process_index()},
      barrier_sync_key_prefix=f"reader_{jax.process_index()}",
  )
  return ocp.Checkpointer(
      handler(multiprocessing_options=alone), multiprocessing_options=alone
  )


def _anywhere(flag: bool) -> bool:
  """Whether the flag is set on any process."""
  return bool(np.any(multihost_utils.process_allgather(np.array(flag))))


def _pass_over(directory, error, repair):
  """Says that a checkpoint cannot be read, and moves it once if it is ours."""
  reason = str(error or "by another process").split("\n")[0][:200]
  aside = directory.parent.parent / "damaged" / directory.name
  if jax.process_index() == 0:
    logging.warning(
        "checkpoint %s cannot be read (%s)%s; trying the one before", directory,
        reason, f"; moved to {aside}" if repair else "",
    )
  if repair and jax.process_index() == 0:
    aside.parent.mkdir(exist_ok=True)
    shutil.rmtree(aside, ignore_errors=True)
    shutil.move(directory, aside)
  multihost_utils.sync_global_devices(f"passed over {directory.name}")

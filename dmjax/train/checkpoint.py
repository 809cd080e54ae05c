"""Checkpoints with Orbax: the whole state, and where we are in the data."""

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
  directory = (workdir / "checkpoints").absolute()
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


def restore(
    manager: ocp.CheckpointManager, like: TrainState
) -> tuple[TrainState, Any] | None:
  """The newest checkpoint that can be read.

  A checkpoint that cannot is moved aside with a warning, once, and all processes
  try the one before it.

  Args:
    manager: Of the run.
    like: A state of the structure expected.

  Returns:
    The state and its host-side data, or None where there is no checkpoint.
  """
  like = parallel.to_global(like)
  for step in sorted(manager.all_steps(), reverse=True):
    try:
      restored, error = manager.restore(
          step,
          args=ocp.args.Composite(
              state=ocp.args.StandardRestore(like), data=ocp.args.JsonRestore()
          ),
      ), None
    except Exception as found:  # pylint: disable=broad-exception-caught
      # Orbax, TensorStore and JSON each have errors of their own for damage.
      error = found
    failed = multihost_utils.process_allgather(np.array(error is not None))
    if not failed.any():
      return restored.state, restored.data
    _set_aside(manager, step, error)
  return None


def _set_aside(manager, step, error):
  """Moves a checkpoint, once, while no process reads it."""
  if jax.process_index() == 0:
    damaged = pathlib.Path(manager.directory) / str(step)
    aside = damaged.parent.parent / "damaged" / str(step)
    logging.warning(
        "checkpoint %s cannot be read (%s); moved to %s, trying the one before",
        damaged, str(error or "by another process").split("\n")[0][:200], aside,
    )
    aside.parent.mkdir(exist_ok=True)
    shutil.rmtree(aside, ignore_errors=True)
    shutil.move(damaged, aside)
  multihost_utils.sync_global_devices("damaged checkpoint moved")
  manager.reload()

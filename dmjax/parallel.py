"""The one place where a step is mapped over devices."""

from collections.abc import Callable, Sequence
import functools
from typing import Any

import jax
import numpy as np

AXIS = "batch"


def pmap(
    step: Callable[..., Any],
    *,
    donate: bool = False,
    devices: Sequence[jax.Device] | None = None,
):
  """Maps `step(state, batch, shared) -> (state, metrics)` over devices.

  The batch has a leading axis of local devices; state and shared arguments
  have none, and neither has what comes out: both are replicated. With `donate`
  the buffers of the incoming state are reused for the outgoing one. `devices`
  are all of them by default.
  """
  return jax.pmap(
      step,
      axis_name=AXIS,
      in_axes=(None, 0, None),
      out_axes=(None, None),
      donate_argnums=(0,) if donate else (),
      devices=devices,
  )


@functools.cache
def _identity():
  return jax.pmap(
      lambda tree, rows: tree, axis_name=AXIS, in_axes=(None, 0), out_axes=None
  )


def replicate(tree: Any) -> Any:
  """Places host or single-device arrays on every local device.

  Arrays that come out of a map lie where the next map wants them, so what is
  placed once is not moved again when the step is called.
  """
  return _identity()(tree, np.zeros(jax.local_device_count()))


def shard(batches: Any) -> Any:
  """Host arrays `[S, B, ...]` -> device arrays `[devices, S, B/devices, ...]`."""
  devices = jax.local_device_count()
  mesh = jax.sharding.Mesh(np.asarray(jax.local_devices()), (AXIS,))
  sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(AXIS))

  def put(x):
    steps, rows = x.shape[:2]
    x = x.reshape(steps, devices, rows // devices, *x.shape[2:])
    return jax.device_put(np.swapaxes(x, 0, 1), sharding)

  return jax.tree.map(put, batches)


def to_global(tree: Any) -> Any:
  """A copy that is safe to save while training goes on.

  The next step donates the buffers of this state, so they must not be read
  later. Across processes, Orbax also wants global arrays, not the host-local
  ones that pmap returns.
  """
  tree = jax.tree.map(jax.numpy.copy, tree)
  if jax.process_count() == 1:
    return tree
  mesh = jax.sharding.Mesh(np.asarray(jax.devices()), (AXIS,))
  sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
  return jax.tree.map(
      lambda x: jax.make_array_from_process_local_data(sharding, np.asarray(x)),
      tree,
  )


def shard_rows(rows: np.ndarray) -> np.ndarray:
  """This process's part of the rows of a global batch."""
  return np.split(rows, jax.process_count())[jax.process_index()]

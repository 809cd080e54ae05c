"""Whether a step from a checkpoint is the step that was not interrupted."""

import jax
import numpy as np

from dmjax import parallel
from dmjax.train import checkpoint
from dmjax.train import loop
from dmjax.train import run as run_lib


def assert_exact(config, folder):
  """Takes two steps, saves, and takes the third with and without the loss.

  Args:
    config: Of a run that has a memory, in `extra` of its state.
    folder: For the checkpoint.
  """
  run = run_lib.assemble(config)
  data, step = run.training(), loop.compile_step(run)

  def go_on(state, stream, count):
    updates = loop.updates(step, state, data, stream, seed=0)
    return [next(updates)[0] for _ in range(count)][-1]

  stream = data.batches(config.batch_size, 0)
  first = loop.first_state(run, 0)
  state = go_on(parallel.replicate(first), stream, 2)
  assert leaves_that_differ(first.extra, state.extra)  # There is a memory.
  with checkpoint.open_manager(folder, keep=1) as manager:
    checkpoint.save(manager, 2, state, stream.position(), {})
    whole = jax.device_get(go_on(state, stream, 1))
  restored, position = checkpoint.restore(folder, first)
  again = go_on(
      parallel.replicate(restored),
      data.batches(config.batch_size, 0, position), 1,
  )
  assert not leaves_that_differ(whole, jax.device_get(again))
  assert leaves_that_differ(restored.extra, again.extra)


def leaves_that_differ(first, second):
  """How many."""
  equal = jax.tree.map(np.array_equal, *map(jax.device_get, (first, second)))
  return jax.tree.leaves(equal).count(False)

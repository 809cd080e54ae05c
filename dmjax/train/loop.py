"""The training loop, top to bottom."""

from collections.abc import Iterator
import contextlib
import pathlib
import sys
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dmjax import methods
from dmjax import parallel
from dmjax.data import base
from dmjax.train import augmentation
from dmjax.train import borrowed
from dmjax.train import checkpoint
from dmjax.train import durations
from dmjax.train import evaluation
from dmjax.train import preview
from dmjax.train import progress
from dmjax.train import run as run_lib
from dmjax.train import signals
from dmjax.train import starting
from dmjax.train import step as step_lib
from dmjax.train import trials
from dmjax.train import workdir as workdir_lib
from dmjax.train.run import Run


class Result(NamedTuple):
  """How a run ended.

  Attributes:
    step: The step it ended at.
    signal: The one that asked it to stop, after which it saved its state; 0 for
      a run that is finished.
    metrics: Of the last evaluation.
    examples_per_second: Of training, without compilation and evaluation.
  """

  step: int
  signal: int
  metrics: dict[str, float]
  examples_per_second: float

  @property
  def finished(self) -> bool:
    """Whether the run came to its end."""
    return not self.signal


def train(config: Any, workdir: pathlib.Path) -> Result:
  """Trains, or goes on training, in a working directory.

  Args:
    config: The configuration.
    workdir: Where everything is written. One that holds a run of the same
      configuration is resumed, bit for bit as if it had not been interrupted.

  Returns:
    How the run ended.

  Raises:
    ValueError: For a bad configuration, or a workdir that is another's.
    progress.Diverged: For a loss that is not finite.
  """
  config = workdir_lib.with_absolute_paths(config)
  workdir_lib.check(workdir, config)
  run = run_lib.assemble(config, workdir=workdir)
  trials.check_network(run)
  # What cannot be read is known before anything is written.
  for split in run.sources:
    run.pipeline(split)
  new = not checkpoint.steps_of(workdir)
  variables = starting.first_variables(run) if new else None
  workdir_lib.claim(
      workdir, config, run.sources, run.example["x"], run.labelled
  )
  borrowed.keep(workdir, run.borrowed)
  with signals.asked_to_stop() as stopping:
    return _train(run, workdir, variables, stopping)


def _train(run, workdir, variables, stopping):
  config, times, data = run.config, run.times, run.training()
  per_call = durations.steps_per_call(config.steps_per_call, times)
  evaluate = evaluation.make_evaluator(run)
  shapes = step_lib.shapes_of_state(run.method, run.optimizer, run.example)
  found = checkpoint.restore(workdir, shapes, repair=True)
  state, restored = found or (first_state(run, config.seed, variables), {})
  start = step = int(state.step)
  if 0 < step < times.total and jax.process_index() == 0:
    print(f"going on from step {step} of {times.total}", file=sys.stderr)
  stream = data.batches(config.batch_size, config.seed, restored.get("position"))
  metrics = restored.get("metrics", {})
  if step == 0 and jax.process_index() == 0:
    preview.save(run, workdir / "mixed.png")
  manager = checkpoint.open_manager(workdir, keep=config.checkpoint.keep)
  reporter = progress.Reporter(
      workdir, step=step, total=times.total, batch_size=config.batch_size,
      note=run.method.note, unit=run.domain.unit,
  )
  following = updates(
      compile_step(run, per_call), parallel.replicate(state), data,
      reporter.watch(stream), seed=config.seed, per_call=per_call,
  )
  # However it ends: what is being saved is saved, and the curves are drawn.
  with contextlib.closing(reporter), contextlib.closing(manager):
    # The order is the promise: evaluate and save what is, then take the next
    # batch. A run that is killed anywhere resumes with that very batch.
    while True:
      done, asked = step == times.total, stopping(step)
      stop = done or asked
      if step > start and (done or _due(step, times.evaluate, per_call)):
        reporter.stop()
        metrics = evaluate(state)
        reporter.write(step, {f"test/{k}": v for k, v in metrics.items()})
        _draw_masks(run, state, workdir)
      if step > start and (stop or _due(step, times.checkpoint, per_call)):
        reporter.stop()  # Raises for what is not finite, before it is saved.
        _check_finite(step, state)
        host_side = {"position": stream.position(), "metrics": metrics}
        checkpoint.save(manager, step, state, host_side, metrics)
      if stop:
        break
      if step > start:  # Compilation is not training time.
        reporter.start()
      state, step_metrics = next(following)
      step += per_call
      reporter.step(step, step_metrics, per_call)
      if step == start + per_call:
        jax.block_until_ready(state.step)
      if _due(step, times.log, per_call):
        reporter.flush()
    manager.wait_until_finished()
  signal = 0 if done else asked
  return Result(step, signal, metrics, reporter.examples_per_second)


def _draw_masks(run, state, workdir):
  if run.method.learned and jax.process_index() == 0:
    preview.save_masks(run, run.method.learned(state), workdir / "masks.png")


@jax.jit
def _is_finite(state):
  floats = [
      leaf for leaf in jax.tree.leaves(state)
      if jnp.issubdtype(leaf.dtype, jnp.floating)
  ]
  return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in floats]))


def _check_finite(step, state):
  """Raises Diverged rather than let what is not finite be saved."""
  if not _is_finite(state):
    raise progress.Diverged(
        f"parameters or averages are not finite at step {step};"
        f" {progress.WAY_OUT}"
    )


def first_state(
    run: Run, seed: int, variables: Any = None
) -> methods.TrainState:
  """The state of a run before its first step, on one device.

  Args:
    run: The run.
    seed: Of the run.
    variables: Of the network, see `starting.first_variables`; drawn where None.

  Returns:
    The state.
  """
  return step_lib.create_state(
      run.method, run.optimizer, jax.random.key(seed), run.example, variables
  )


def compile_step(run: Run, per_call: int = 1):
  """The step of a run, mapped over all devices; it donates its state.

  Args:
    run: The run.
    per_call: Optimizer steps in one call.

  Returns:
    `step(state, batches, shared) -> (state, metrics)`, compiled when called.
  """
  select = run.training().select

  def prepare(key, batch, shared):
    return augmentation.views(
        key, select(batch, shared), run.method.views, run.augment
    )

  return parallel.pmap(
      step_lib.make_train_step(
          run.method, run.optimizer, prepare, schedule=run.schedule,
          steps=per_call,
      ),
      donate=True,
  )


def updates(
    step, state: methods.TrainState, data: base.Pipeline, stream: base.Stream,
    *, seed: int, per_call: int = 1,
) -> Iterator[tuple[methods.TrainState, Any]]:
  """Takes the next batches, updates the state, and so on without end.

  Args:
    step: Of `compile_step`.
    state: The state before, replicated.
    data: The training split.
    stream: Its batches.
    seed: Of the run.
    per_call: Optimizer steps in one call.

  Yields:
    The state after, and the metrics of its steps, both on the device.
  """
  shared = {"data": data.shared, "seed": parallel.replicate(np.uint32(seed))}
  while True:
    batches = [stream.next() for _ in range(per_call)]
    batches = parallel.shard(jax.tree.map(_stack, *batches))
    with jax.transfer_guard("disallow"):
      state, metrics = step(state, batches, shared)
    yield state, metrics


def _stack(*arrays):
  """Along a new axis; one array, as most often, is not copied."""
  return arrays[0][None] if len(arrays) == 1 else np.stack(arrays)


def evaluate(
    config: Any, workdir: pathlib.Path, step: int | None = None
) -> dict[str, float]:
  """Evaluates a checkpoint of a run on its test split.

  Args:
    config: The configuration of the run, or one that differs in its data.
    workdir: Of the run. The training data need not be there.
    step: Of the checkpoint; the newest by default.

  Returns:
    The metrics, as fractions.

  Raises:
    ValueError: Where the run has no such checkpoint, or other classes.
  """
  blank = workdir_lib.blank_sources(workdir)
  run = run_lib.assemble(config, workdir=workdir, **blank)
  state = parallel.replicate(run_lib.restore(run, workdir, step))
  return evaluation.make_evaluator(run)(state)


def _due(step, every, per_call):
  """Whether a multiple of `every` was reached in the last call."""
  return step // every > (step - per_call) // every

"""The training loop, top to bottom."""

from collections.abc import Iterator
import contextlib
import logging
import pathlib
import signal
import threading
from typing import Any, NamedTuple

import jax
from jax.experimental import multihost_utils
import numpy as np

from dmjax import methods
from dmjax import parallel
from dmjax.data import base
from dmjax.train import checkpoint
from dmjax.train import durations
from dmjax.train import evaluation
from dmjax.train import preview
from dmjax.train import progress
from dmjax.train import run as run_lib
from dmjax.train import step as step_lib
from dmjax.train import workdir as workdir_lib
from dmjax.train.run import Run


class Result(NamedTuple):
  """How a run ended.

  Attributes:
    step: The step it ended at.
    finished: False for a run that was asked to stop and saved its state.
    metrics: Of the last evaluation.
    images_per_second: Of training, without compilation and evaluation.
  """

  step: int
  finished: bool
  metrics: dict[str, float]
  images_per_second: float


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
  run = run_lib.assemble(config)
  workdir_lib.check(workdir, config)
  for split in run.sources:
    run.pipeline(split)  # Data that cannot be read is known before a file is.
  workdir_lib.claim(workdir, config)
  with _sigterm() as stopping:
    return _train(run, workdir, stopping)


def _train(run, workdir, stopping):
  config, times, data = run.config, run.times, run.pipeline("train")
  per_call = durations.steps_per_call(config.steps_per_call, times)
  evaluate = evaluation.make_evaluator(run)
  manager = checkpoint.open_manager(workdir, keep=config.checkpoint.keep)
  state = parallel.replicate(first_state(run, config.seed))
  state, restored = checkpoint.restore(manager, state) or (state, {})
  start = step = int(state.step)
  stream = data.batches(config.batch_size, config.seed, restored.get("position"))
  following = updates(
      compile_step(run, per_call), parallel.replicate(state), data, stream,
      seed=config.seed, per_call=per_call,
  )
  metrics = restored.get("metrics", {})
  if step == 0 and jax.process_index() == 0:
    preview.save(run, workdir / "mixed.png")
  reporter = progress.Reporter(
      workdir, step=step, total=times.total, batch_size=config.batch_size,
      note=run.method.note,
  )
  # The order is the promise: evaluate and save what is, then take the next
  # batch. A run that is killed anywhere resumes with that very batch.
  while True:
    done = step == times.total
    stop = done or stopping(step)
    if step > start and (done or _due(step, times.evaluate, per_call)):
      reporter.stop()
      metrics = evaluate(state)
      reporter.write(step, {f"test/{k}": v for k, v in metrics.items()})
      if run.method.learned and jax.process_index() == 0:
        preview.save_masks(run, run.method.learned(state), workdir / "masks.png")
    if step > start and (stop or _due(step, times.checkpoint, per_call)):
      reporter.stop()  # Raises for a loss that is not finite, before saving.
      host_side = {"position": stream.position(), "metrics": metrics}
      checkpoint.save(manager, step, state, host_side, metrics)
    if stop:
      break
    state, step_metrics = next(following)
    step += per_call
    reporter.step(step, step_metrics, per_call)
    if _due(step, times.log, per_call):
      reporter.flush()
    if step == start + per_call:
      jax.block_until_ready(state.step)  # Compilation is not training time.
    reporter.start()
  manager.wait_until_finished()
  manager.close()
  reporter.close()
  return Result(step, done, metrics, reporter.images_per_second)


def first_state(run: Run, seed: int) -> methods.TrainState:
  """The state of a run before its first step, on one device."""
  return step_lib.create_state(
      run.method, run.optimizer, jax.random.key(seed), run.example,
      run_lib.pretrained(run),
  )


def compile_step(run: Run, per_call: int = 1):
  """The step of a run, mapped over all devices; it donates its state.

  Args:
    run: The run.
    per_call: Optimizer steps in one call.

  Returns:
    `step(state, batches, shared) -> (state, metrics)`, compiled when called.
  """
  select = run.pipeline("train").select

  def prepare(key, batch, shared):
    batch = select(batch, shared)
    return batch | {"x": run.augment(key, batch["x"])}

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
    batches = parallel.shard(jax.tree.map(lambda *x: np.stack(x), *batches))
    with jax.transfer_guard("disallow"):
      state, metrics = step(state, batches, shared)
    yield state, metrics


def evaluate(config: Any, workdir: pathlib.Path) -> dict[str, float]:
  """Evaluates the newest checkpoint of a run on its test split.

  Args:
    config: The configuration of the run.
    workdir: Of the run.

  Returns:
    The metrics, as fractions.

  Raises:
    ValueError: Where the run has no checkpoint.
  """
  run = run_lib.assemble(config)
  state = parallel.replicate(run_lib.restore(run, workdir))
  return evaluation.make_evaluator(run)(state)


def _due(step, every, per_call):
  """Whether a multiple of `every` was reached in the last call."""
  return step // every > (step - per_call) // every


@contextlib.contextmanager
def _sigterm():
  """`step -> bool`: whether SIGTERM asked to stop, the same on all processes."""
  if jax.process_count() > 1:
    yield multihost_utils.reached_preemption_sync_point
    return
  if threading.current_thread() is not threading.main_thread():
    logging.warning("not the main thread: SIGTERM will not save a checkpoint")
    yield lambda step: False
    return
  asked = threading.Event()
  before = signal.signal(signal.SIGTERM, lambda *_: asked.set())
  try:
    yield lambda step: asked.is_set()
  finally:
    signal.signal(signal.SIGTERM, before)

"""The training loop, top to bottom."""

import contextlib
import logging
import pathlib
import signal
import threading
from typing import Any, NamedTuple

import jax
from jax.experimental import multihost_utils
import jax.numpy as jnp
import numpy as np

from dmjax import parallel
from dmjax.data import augment
from dmjax.data import pipelines
from dmjax.methods import guidance
from dmjax.train import build
from dmjax.train import checkpoint
from dmjax.train import durations
from dmjax.train import evaluation
from dmjax.train import optimizer as optimizer_lib
from dmjax.train import preview
from dmjax.train import progress
from dmjax.train import step as step_lib
from dmjax.train import validate
from dmjax.train import workdir as workdir_lib


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
  validate.check_config(config)
  workdir_lib.claim(workdir, config)
  with _sigterm() as stopping:
    return _train(config, workdir, stopping)


def _train(config, workdir, stopping):
  data = pipelines.open_pipeline(config.data, "train")
  test = pipelines.open_pipeline(config.data, "test")
  validate.check_data(config, data, test)
  times = durations.of_run(config, data.size)
  optimizer, schedule = optimizer_lib.of_run(
      config, warmup_steps=times.warmup, total_steps=times.total,
      steps_per_epoch=times.epoch,
  )
  method = build.make_method(config, data.num_classes, times.total)
  per_call = durations.steps_per_call(config.steps_per_call, times)

  def prepare(key, batch, shared):
    batch = data.select(batch, shared)
    images = augment.augment(key, batch["image"], config.data)
    return {"image": images, "label": batch["label"]}

  train_step = parallel.pmap(
      step_lib.make_train_step(
          method, optimizer, prepare, schedule=schedule, steps=per_call
      ),
      donate=True,
  )
  evaluate = evaluation.make_evaluator(config, method, test)

  example = {"image": jnp.zeros((1, *data.image_shape))}
  state = step_lib.create_state(
      method, optimizer, jax.random.key(config.seed), example,
      build.pretrained(config, data),
  )
  state = parallel.replicate(state)
  manager = checkpoint.open_manager(workdir, keep=config.checkpoint.keep)
  state, restored = checkpoint.restore(manager, state) or (state, {})
  start = step = int(state.step)
  state = parallel.replicate(state)
  seed = parallel.replicate(np.uint32(config.seed))
  shared = data.shared | {"seed": seed}
  stream = data.batches(config.batch_size, config.seed, restored.get("position"))
  metrics = restored.get("metrics", {})
  if step == 0 and jax.process_index() == 0:
    preview.save(config, data, workdir / "mixed.png")
  reporter = progress.Reporter(
      workdir, step=step, total=times.total, batch_size=config.batch_size,
      note=guidance.cost(build.make_mixer(config.mix), config.saliency),
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
      if method.learned and jax.process_index() == 0:
        learned = method.learned(state)
        preview.save_masks(config, test, learned, workdir / "masks.png")
    if step > start and (stop or _due(step, times.checkpoint, per_call)):
      reporter.stop()  # Raises for a loss that is not finite, before saving.
      host_side = {"position": stream.position(), "metrics": metrics}
      checkpoint.save(manager, step, state, host_side, metrics)
    if stop:
      break
    batches = [stream.next() for _ in range(per_call)]
    batches = jax.tree.map(lambda *rows: np.stack(rows), *batches)
    batches = parallel.shard(batches)
    with jax.transfer_guard("disallow"):
      state, step_metrics = train_step(state, batches, shared)
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
  test = pipelines.open_pipeline(config.data, "test")
  method, state = build.restore(config, workdir, test)
  evaluator = evaluation.make_evaluator(config, method, test)
  return evaluator(parallel.replicate(state))


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

"""The training loop, top to bottom."""

import json
import logging
import pathlib
import signal
import threading
from typing import Any, NamedTuple

import jax
from jax.experimental import multihost_utils
import jax.numpy as jnp
import ml_collections
import numpy as np

from dmjax import clock
from dmjax import config as config_lib
from dmjax import methods
from dmjax import models
from dmjax import names
from dmjax import parallel
from dmjax.data import augment
from dmjax.data import pipelines
from dmjax.methods import guidance
from dmjax.train import checkpoint
from dmjax.train import evaluation
from dmjax.train import optimizer as optimizer_lib
from dmjax.train import preview
from dmjax.train import progress
from dmjax.train import step as step_lib


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


class Durations(NamedTuple):
  """The durations of a configuration, in steps."""

  total: int
  epoch: int
  warmup: int
  evaluate: int
  checkpoint: int
  log: int


def durations(config: Any, size: int) -> Durations:
  """Translates the durations of a configuration; ValueError for bad ones."""
  if size < config.batch_size:
    raise ValueError(
        f"batch_size must be at most the {size} training examples, got"
        f" {config.batch_size}"
    )
  unit = {"batch_size": config.batch_size, "size": size}
  total = clock.steps("total", config.total, **unit)
  if total < 1:
    raise ValueError(f"total must be at least one step, got {config.total!r}")
  inner = {
      name: clock.steps(f"{name}.{key}", config[name][key], total=total, **unit)
      for name, key in (
          ("schedule", "warmup"), ("evaluate", "every"),
          ("checkpoint", "every"), ("log", "every"),
      )
  }
  return Durations(
      total, size // config.batch_size, inner["schedule"],
      *(max(1, inner[name]) for name in ("evaluate", "checkpoint", "log")),
  )


def make_method(
    config: Any, num_classes: int, total_steps: int = 1
) -> methods.Method:
  """The method of a configuration, with its model, mixer and loss.

  Args:
    config: The configuration.
    num_classes: Of the data.
    total_steps: Length of training; evaluation has no need of it.

  Returns:
    The method.
  """
  table = {"supervised": _supervised, "automix": _automix}
  make = names.lookup("method", config.method.name, table)
  return make(config, num_classes, total_steps)


def _supervised(config, num_classes, total_steps):
  del total_steps
  return methods.supervised(
      _model(config, num_classes), config_lib.make_mixer(config.mix),
      config_lib.make_loss(config.loss), ema_decay=config.ema_decay,
      saliency=config.saliency, mean=config.data.mean, std=config.data.std,
  )


def _automix(config, num_classes, total_steps):
  if config.ema_decay:
    raise ValueError(
        "ema_decay must be 0 for method 'automix', whose teacher is an average"
        f" of its own, got {config.ema_decay}"
    )
  mixer = config_lib.make_mixer(config.mix)
  if guidance.asked(mixer) != (frozenset(), frozenset(), False):
    raise ValueError(
        "mix must be a mixer without guidance for method 'automix', such as"
        f" 'mixup', got {config.mix.name!r}"
    )
  spec = {k: v for k, v in config.method.items() if k != "groups"}
  block = dict(spec.pop("mix_block"))
  block = models.create_mix_block(
      block.pop("name"), axis_name=parallel.AXIS, **block
  )
  spec["mask_loss"] = config_lib.make_mask_loss(spec["mask_loss"])
  build = names.configure("method", {"automix": methods.automix}, spec)
  return build(
      _model(config, 2 * num_classes), block, mixer,
      config_lib.make_loss(config.loss), total_steps=total_steps,
  )


def _model(config, num_classes):
  options = dict(config.model)
  options["dtype"] = jnp.dtype(options["dtype"])
  return models.create(
      options.pop("name"), num_classes=num_classes, axis_name=parallel.AXIS,
      **options,
  )


def start_from(
    config: Any, state: methods.TrainState, data: pipelines.Pipeline
) -> methods.TrainState:
  """The state with the parameters of the file `config.pretrained`."""
  options = dict(config.model)
  del options["dtype"]  # Parameters are float32 in any case.
  _, variables = models.load_pretrained(
      options.pop("name"), config.pretrained, num_classes=data.num_classes,
      image_size=data.image_shape[0], key=jax.random.key(config.seed),
      **options,
  )
  params = variables.pop("params")
  ema = (params, variables) if state.ema is not None else None
  ema = jax.tree.map(jnp.copy, ema)  # The step donates the state it is given.
  return state.replace(params=params, model_state=variables, ema=ema)


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
  config_lib.validate(config)
  claim(workdir, config)
  data = pipelines.open_pipeline(config.data, "train")
  test = pipelines.open_pipeline(config.data, "test")
  check_data(config, data, test)
  times = durations(config, data.size)
  optimizer, schedule = optimizer_lib.of_run(
      config, warmup_steps=times.warmup, total_steps=times.total,
      steps_per_epoch=times.epoch,
  )
  method = make_method(config, data.num_classes, times.total)
  per_call = steps_per_call(config.steps_per_call, times)

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
      method, optimizer, jax.random.key(config.seed), example
  )
  if config.pretrained:
    state = start_from(config, state, data)
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
  stopping = _watch_sigterm()
  reporter = progress.Reporter(
      workdir, step=step, total=times.total, batch_size=config.batch_size,
      note=guidance.cost(config_lib.make_mixer(config.mix), config.saliency),
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
  method, state = restore(config, workdir, test)
  evaluator = evaluation.make_evaluator(config, method, test)
  return evaluator(parallel.replicate(state))


def restore(
    config: Any, workdir: pathlib.Path, data: pipelines.Pipeline
) -> tuple[methods.Method, methods.TrainState]:
  """The method of a run and the state of its newest checkpoint.

  Args:
    config: The configuration of the run.
    workdir: Of the run.
    data: Either of its splits.

  Returns:
    Method and state.

  Raises:
    ValueError: Where the run has no checkpoint.
  """
  method = make_method(config, data.num_classes)
  example = {"image": jnp.zeros((1, *data.image_shape))}
  # Using a state needs no optimizer, but the checkpoint to be restored has one.
  optimizer, _ = optimizer_lib.of_run(
      config, warmup_steps=0, total_steps=1, steps_per_epoch=1
  )
  state = step_lib.create_state(method, optimizer, jax.random.key(0), example)
  manager = checkpoint.open_manager(workdir, keep=config.checkpoint.keep)
  restored = checkpoint.restore(manager, parallel.replicate(state))
  if restored is None:
    raise ValueError(f"workdir {str(workdir)!r} has no checkpoint yet")
  return method, restored[0]


def read_config(workdir: pathlib.Path) -> ml_collections.ConfigDict:
  """The configuration of the run in a working directory.

  Args:
    workdir: Of the run.

  Returns:
    The configuration.

  Raises:
    ValueError: Where there is no run.
  """
  path = workdir / "config.json"
  if not path.is_file():
    raise ValueError(f"--workdir: {str(workdir)!r} holds no run of dmjax")
  return ml_collections.ConfigDict(json.loads(path.read_text()))


def _due(step, every, per_call):
  """Whether a multiple of `every` was reached in the last call."""
  return step // every > (step - per_call) // every


def steps_per_call(limit: int, times: Durations) -> int:
  """Steps of one compiled call: divides all durations, so none recompiles.

  Args:
    limit: At most so many; 0 for 1 on CPU and about 10 elsewhere.
    times: The durations.

  Returns:
    The number of steps.
  """
  if not limit:
    limit = 1 if jax.default_backend() == "cpu" else 20
  common = np.gcd.reduce([times.total, times.evaluate, times.checkpoint])
  return max(d for d in range(1, limit + 1) if common % d == 0)


def check_data(config: Any, data: Any, test: Any) -> None:
  """Raises ValueError where data and configuration do not fit."""
  channels = data.image_shape[-1]
  for key in ("mean", "std"):
    if len(config.data[key]) not in (1, channels):
      raise ValueError(
          f"data.{key} must have 1 or {channels} values, one per channel of"
          f" {config.data.name!r}, got {tuple(config.data[key])}"
      )
  if data.num_classes != test.num_classes:
    raise ValueError(
        f"data.train has {data.num_classes} classes, data.test has"
        f" {test.num_classes}"
    )


def claim(workdir: pathlib.Path, config: Any) -> None:
  """Writes the configuration to a new workdir, or checks that it is the same.

  Args:
    workdir: The directory; made if missing.
    config: The configuration.

  Raises:
    ValueError: For a directory that cannot be written, or that holds a run of
      another configuration.
  """
  path = workdir / "config.json"
  text = config.to_json(indent=2, sort_keys=True)
  try:
    workdir.mkdir(parents=True, exist_ok=True)
    if not path.exists() and jax.process_index() == 0:
      path.write_text(text + "\n")
    found = json.loads(path.read_text()) if path.exists() else json.loads(text)
    (workdir / f".writable-{jax.process_index()}").touch()
    (workdir / f".writable-{jax.process_index()}").unlink()
  except OSError as error:
    raise ValueError(
        f"workdir {str(workdir)!r} cannot be written ({error.strerror});"
        " choose another with --workdir"
    ) from None
  changed = _differences(found, json.loads(text))
  if changed:
    raise ValueError(
        f"workdir {str(workdir)!r} holds a run of another configuration:"
        f" {'; '.join(changed)}. Use another --workdir, or the same settings to"
        " resume"
    )


def _differences(old, new, prefix=""):
  """'key: was, now' for every leaf that differs between two nested dicts."""
  lines = []
  for key in sorted(set(old) | set(new)):
    a, b = old.get(key), new.get(key)
    if isinstance(a, dict) and isinstance(b, dict):
      lines += _differences(a, b, f"{prefix}{key}.")
    elif a != b:
      lines.append(f"{prefix}{key} was {a!r}, now {b!r}")
  return lines


def _watch_sigterm():
  """`step -> bool`: whether SIGTERM asked to stop, the same on all processes."""
  if jax.process_count() > 1:
    return multihost_utils.reached_preemption_sync_point
  asked = threading.Event()
  if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGTERM, lambda *_: asked.set())
  else:
    logging.warning("not the main thread: SIGTERM will not save a checkpoint")
  return lambda step: asked.is_set()

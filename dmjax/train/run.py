"""`assemble(config) -> Run`: everything that a run is made of, made once."""

from collections.abc import Callable, Mapping, Sequence
import functools
import pathlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from dmjax import losses
from dmjax import methods
from dmjax import models
from dmjax import names
from dmjax import parallel
from dmjax.data import base
from dmjax.data import domains
from dmjax.data import pipelines
from dmjax.train import borrowed as borrowed_lib
from dmjax.train import checkpoint
from dmjax.train import durations
from dmjax.train import mixing
from dmjax.train import optimizer as optimizer_lib
from dmjax.train import step as step_lib
from dmjax.train import streams
from dmjax.train import teachers
from dmjax.train import trials
from dmjax.train import validate
from dmjax.train import workdir as workdir_lib


class Run(NamedTuple):
  """A run, before it has a state.

  Attributes:
    config: The configuration.
    domain: The kind of its inputs.
    sources: `train`, `test` and, for semi-supervised training, `unlabelled`.
    labelled: The rows of `train` whose labels are used, where not all are.
    pipeline: Name of a source to its pipeline, opened at the first call.
    training: `() -> Pipeline`, of training batches: that of `train`, or both
      streams together.
    example: A batch of one row of zeros.
    times: Durations in steps.
    mixer: The mixer of training, and what it needs.
    test_mixer: The mixer of the mixed test images.
    method: What is optimised.
    optimizer: How.
    schedule: The learning rate.
    augment: The views of training, `weak` and `strong`: `(key, x) -> x`.
    borrowed: Steps of other runs whose checkpoints it uses, by their workdirs;
      None of a file of parameters.
  """

  config: Any
  domain: base.Domain
  sources: Mapping[str, base.Source]
  labelled: Sequence[int]
  pipeline: Callable[[str], base.Pipeline]
  training: Callable[[], base.Pipeline]
  example: base.Arrays
  times: durations.Durations
  mixer: mixing.Mixer
  test_mixer: mixing.Mixer
  method: methods.Method
  optimizer: optax.GradientTransformation
  schedule: optax.Schedule
  augment: Mapping[str, Callable[[jax.Array, jax.Array], jax.Array]]
  borrowed: Mapping[str, int | None]


def assemble(
    config: Any, *, workdir: pathlib.Path | None = None, **sources: base.Source
) -> Run:
  """Makes the parts of a configuration; decodes, compiles and writes nothing.

  Args:
    config: The configuration.
    workdir: Of the run, where copies of what it borrows may lie.
    **sources: `train`, `test` or `unlabelled`, instead of those of the
      configuration.

  Returns:
    The run.

  Raises:
    ValueError: For whatever is wrong with the configuration.
  """
  validate.check_config(config)
  sources, labelled = streams.open_sources(config, sources)
  example = pipelines.example(config.data, sources["train"])
  domain = domains.DOMAINS[sources["train"].kind]
  validate.check_data(config, domain, sources, example)
  size = streams.size_of_epoch(config, sources)
  times = durations.of_run(config, size)
  optimizer, schedule = optimizer_lib.of_run(config, times)
  borrowed = {}
  mixer = mixing.make_mixer(
      config.mix, functools.partial(_learned_mixer, workdir, borrowed)
  )
  test_mixer = mixing.make_mixer(config.evaluate.mix)
  parts = methods.Parts(
      network=functools.partial(_network, config, sources["train"]),
      num_classes=sources["train"].num_classes,
      mixer=mixer.mix,
      guidance=mixer.guidance,
      loss=names.configure("loss", losses.LOSSES, config.loss),
      total_steps=times.total,
      steps=functools.partial(
          durations.steps, batch_size=config.batch_size, size=size,
          total=times.total,
      ),
      teacher=functools.partial(_teacher, workdir, borrowed),
      num_unlabelled=sources["unlabelled"].size if "unlabelled" in sources else 0,
      batch_size=config.batch_size,
      axis_name=_axis_name(config),
      num_domains=len(sources["train"].domain_names),
      per_class=config.data.per_class,
  )
  trials.check_mixing(config, example, mixer, test_mixer, parts.loss)
  method = _method(config, parts)
  validate.check_streams(config, method.views)
  pipeline = streams.opener(config.data, sources)
  return Run(
      config, domain, sources, labelled, pipeline,
      streams.training_of(config, pipeline),
      example, times, mixer, test_mixer, method, optimizer, schedule,
      domain.views(config), borrowed,
  )


def _network(config, source, outputs):
  options = dict(config.model)
  of_data = config.data if source.mean is None else source._asdict()
  options["dtype"] = jnp.dtype(options["dtype"])
  return models.create_network(
      options.pop("name"), num_classes=outputs, axis_name=_axis_name(config),
      mean=tuple(of_data["mean"]), std=tuple(of_data["std"]), **options,
  )


def _axis_name(config):
  """Of the axis over which batch statistics are averaged, if they are."""
  return parallel.AXIS if config.sync_batch_norm else None


def _method(config, parts):
  wrap = names.configure("wrapper", methods.WRAPPERS, config.wrap)
  options = {k: v for k, v in config.method.items() if k != "groups"}
  make = names.lookup("method", options.pop("name"), methods.METHODS)
  return wrap(make(parts, **options), axis_name=parallel.AXIS)


def restore(
    run: Run, workdir: pathlib.Path, step: int | None = None
) -> methods.TrainState:
  """The state of a checkpoint of a run.

  Args:
    run: The run.
    workdir: Where it lies.
    step: Of the checkpoint; the newest by default.

  Returns:
    The state.

  Raises:
    ValueError: Where there is no such checkpoint, and for one that does not fit.
  """
  shapes = step_lib.shapes_of_state(run.method, run.optimizer, run.example)
  restored = checkpoint.restore(workdir, shapes, step=step)
  if restored is None:
    raise ValueError(f"workdir {str(workdir)!r} has no checkpoint yet")
  return restored[0]


def load(
    workdir: pathlib.Path | str, step: int | None = None
) -> tuple[Run, methods.TrainState]:
  """A trained run, for one's own code; of data, a graph alone has to be there.

      run, state = dmjax.load("runs/a")
      logits = run.method.predict(state, {"x": images})   # In [0, 1].

  Args:
    workdir: Of the run.
    step: Of the checkpoint; the newest by default.

  Returns:
    The run, whose sources are blank, and its state.

  Raises:
    ValueError: For a workdir without a run, or without that checkpoint.
  """
  workdir = pathlib.Path(workdir)
  config = workdir_lib.read_config(workdir)
  blank = workdir_lib.blank_sources(workdir)
  if blank:
    blank["test"] = blank["train"]
  run = assemble(config, workdir=workdir, **blank)
  return run, restore(run, workdir, step)


def learned(
    workdir: pathlib.Path, step: int | None = None
) -> tuple[Run, methods.Learned]:
  """A run of a method that learns to mix, and what it has learned.

  Args:
    workdir: Of the run.
    step: Of the checkpoint; the newest by default.

  Returns:
    The two.

  Raises:
    ValueError: For a workdir without such a run, or without a checkpoint.
  """
  run, state = load(workdir, step)
  if run.method.learned is None:
    raise ValueError(
        f"--workdir: {str(workdir)!r} is a run of method"
        f" {run.config.method.name!r}, which does not learn to mix"
    )
  return run, run.method.learned(jax.device_get(state))


def _learned_mixer(workdir, steps, other):
  """What another run has learned as a mixer; notes the step it is of."""
  folder = borrowed_lib.place(workdir, other)
  steps[other] = borrowed_lib.newest(folder)
  return methods.as_mixer(learned(folder, steps[other])[1])


def _teacher(workdir, steps, other):
  """Another network that guides the mixer; notes the step it is of."""
  place = borrowed_lib.place(workdir, other)
  if not place.exists():
    raise ValueError(
        f"method.teacher={other!r} must be the workdir of a run or a"
        " .safetensors file, and there is none"
    )
  if other.endswith(".safetensors"):
    steps[other] = None
    return teachers.of_file(place)
  steps[other] = borrowed_lib.newest(place)
  return teachers.of_run(*load(place, steps[other]))

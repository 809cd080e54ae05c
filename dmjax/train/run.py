"""`assemble(config) -> Run`: everything that a run is made of, made once."""

from collections.abc import Callable, Mapping
import functools
import pathlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from dmjax import losses
from dmjax import methods
from dmjax import mixers
from dmjax import models
from dmjax import names
from dmjax import parallel
from dmjax.data import base
from dmjax.data import examples
from dmjax.data import pipelines
from dmjax.data import sources as sources_lib
from dmjax.train import augmentation
from dmjax.train import checkpoint
from dmjax.train import durations
from dmjax.train import mixing
from dmjax.train import optimizer as optimizer_lib
from dmjax.train import step as step_lib
from dmjax.train import validate
from dmjax.train import workdir as workdir_lib


class Run(NamedTuple):
  """A run, before it has a state.

  Attributes:
    config: The configuration.
    sources: `train` and `test`.
    pipeline: `"train"` or `"test"` to its pipeline, opened at the first call.
    example: A batch of one row of zeros.
    times: Durations in steps.
    mixer: The mixer of training, and what it needs.
    test_mixer: The mixer of the mixed test images.
    method: What is optimised.
    optimizer: How.
    schedule: The learning rate.
    augment: `(key, x) -> x`, the training augmentation.
  """

  config: Any
  sources: Mapping[str, base.Source]
  pipeline: Callable[[str], base.Pipeline]
  example: base.Arrays
  times: durations.Durations
  mixer: mixing.Mixer
  test_mixer: mixing.Mixer
  method: methods.Method
  optimizer: optax.GradientTransformation
  schedule: optax.Schedule
  augment: Callable[[jax.Array, jax.Array], jax.Array]


def assemble(config: Any, **sources: base.Source) -> Run:
  """Makes the parts of a configuration; decodes, compiles and writes nothing.

  Args:
    config: The configuration.
    **sources: `train` or `test`, instead of those of the configuration.

  Returns:
    The run.

  Raises:
    ValueError: For whatever is wrong with the configuration.
  """
  validate.check_config(config)
  for split in ("train", "test"):
    if split not in sources:
      sources[split] = _open_source(config.data, split)
  example = _example(config.data, sources["train"])
  validate.check_data(config, sources, example)
  times = durations.of_run(config, sources["train"].size)
  optimizer, schedule = optimizer_lib.of_run(config, times)
  mixer = mixing.make_mixer(config.mix, learned_mixer)
  test_mixer = mixing.make_mixer(config.evaluate.mix)
  parts = methods.Parts(
      network=functools.partial(_network, config),
      num_classes=sources["train"].num_classes,
      mixer=mixer.mix,
      guidance=mixer.guidance,
      loss=names.configure("loss", losses.LOSSES, config.loss),
      total_steps=times.total,
  )
  validate.check_mixing(config, example, mixer, test_mixer, parts.loss)
  return Run(
      config, sources, _opener(config.data, sources), example, times, mixer,
      test_mixer, _method(config.method, parts), optimizer, schedule,
      augmentation.make_augment(config.data),
  )


def _open_source(data, split):
  return sources_lib.open_source(data.name, data[split], data.dir)


def _opener(data, sources):
  @functools.cache
  def pipeline(split):
    return pipelines.open_pipeline(data, sources[split], split)

  return pipeline


def _example(data, source):
  row = examples.read(source, 0, data.image_size)
  return base.example_of(examples.stack([row]))


def _network(config, outputs):
  options = dict(config.model)
  options["dtype"] = jnp.dtype(options["dtype"])
  return models.create_network(
      options.pop("name"), num_classes=outputs, axis_name=parallel.AXIS,
      mean=tuple(config.data.mean), std=tuple(config.data.std), **options,
  )


def _method(section, parts):
  options = {k: v for k, v in section.items() if k != "groups"}
  make = names.lookup("method", options.pop("name"), methods.METHODS)
  return make(parts, **options)


def pretrained(run: Run) -> Any:
  """Variables of the network from the file `config.pretrained`, None without.

  Args:
    run: The run; a head of another size than the file's is initialised anew.

  Returns:
    The variables.

  Raises:
    ValueError: For a file that does not fit the network.
  """
  config = run.config
  if not config.pretrained:
    return None
  key, x = jax.random.key(config.seed), run.example["x"]
  shapes = jax.eval_shape(run.method.network.init, key, x)
  options = dict(config.model)
  del options["dtype"]  # Parameters are float32 in any case.
  return models.load_pretrained(
      options.pop("name"), config.pretrained,
      num_classes=shapes["params"]["head"]["bias"].size,
      image_size=x.shape[1], key=key, **options,
  )[1]


def restore(run: Run, workdir: pathlib.Path) -> methods.TrainState:
  """The state of the newest checkpoint of a run.

  Args:
    run: The run.
    workdir: Where it lies.

  Returns:
    The state.

  Raises:
    ValueError: Where there is no checkpoint.
  """
  state = step_lib.create_state(
      run.method, run.optimizer, jax.random.key(0), run.example
  )
  manager = checkpoint.open_manager(workdir, keep=run.config.checkpoint.keep)
  restored = checkpoint.restore(manager, parallel.replicate(state))
  if restored is None:
    raise ValueError(f"workdir {str(workdir)!r} has no checkpoint yet")
  return restored[0]


def learned(workdir: pathlib.Path) -> tuple[Run, methods.Learned]:
  """A run of a method that learns to mix, and what it has learned.

  Args:
    workdir: Of the run.

  Returns:
    The two.

  Raises:
    ValueError: For a workdir without such a run, or without a checkpoint.
  """
  run = assemble(workdir_lib.read_config(workdir))
  if run.method.learned is None:
    raise ValueError(
        f"--workdir: {str(workdir)!r} is a run of method"
        f" {run.config.method.name!r}, which does not learn to mix"
    )
  return run, run.method.learned(jax.device_get(restore(run, workdir)))


def learned_mixer(workdir: str) -> Callable[..., mixers.Mixed]:
  """The Mix Block of the newest checkpoint of a run, as a mixer.

  Args:
    workdir: Of a run of a method that learns to mix.

  Returns:
    The mixer, see `methods.as_mixer`.

  Raises:
    ValueError: For a workdir without such a run, or without a checkpoint.
  """
  return methods.as_mixer(learned(pathlib.Path(workdir))[1])

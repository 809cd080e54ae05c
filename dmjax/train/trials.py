"""What is wrong with a run, seen by tracing it; nothing is compiled.

A trace on a few images meets every check that mixers, losses and networks make.
"""

from collections.abc import Callable, Iterator
import contextlib
import functools
from typing import Any

import flax.errors
import jax
import jax.numpy as jnp

from dmjax import mixers
from dmjax import names
from dmjax import parallel
from dmjax.data import base
from dmjax.data import groups
from dmjax.methods import stand_ins
from dmjax.train import augmentation
from dmjax.train import mixing
from dmjax.train import step as step_lib

_OF_BAD_OPTIONS = (
    ArithmeticError, AttributeError, LookupError, TypeError, ValueError,
    flax.errors.FlaxError,
)


def check_mixing(
    config: Any,
    example: base.Arrays,
    mixer: mixing.Mixer,
    test_mixer: mixing.Mixer,
    loss: Callable[..., jax.Array],
) -> None:
  """Raises ValueError for options that mixers or the loss refuse.

  Args:
    config: The configuration.
    example: A batch of one row.
    mixer: That of training.
    test_mixer: That of the mixed test images.
    loss: `loss(logits, labels, weights)`, configured.
  """
  needs = test_mixer.guidance
  if needs.before or needs.after or needs.hidden:
    raise ValueError(
        "evaluate.mix must be a mixer of inputs without guidance, such as"
        f" 'cutmix', got {config.evaluate.mix.name!r}"
    )
  images = _rows(example, 4)["x"]
  with _naming(f"evaluate.mix {config.evaluate.mix.name!r}"):
    _mixed(test_mixer, images)
  with _naming(f"mix {config.mix.name!r}"):
    weights = _mixed(mixer, images).weights
  with _naming(f"loss {config.loss.name!r}"):
    logits = jax.ShapeDtypeStruct((4, 2), jnp.float32)
    labels = jax.ShapeDtypeStruct(weights.shape, jnp.int32)
    jax.eval_shape(loss, logits, labels, weights)


def _mixed(mixer, images):
  def mix(key, images):
    maps = stand_ins.training_free(mixer.guidance, images)
    return mixer.mix(key, images, **maps)

  return jax.eval_shape(functools.partial(mix, jax.random.key(0)), images)


def check_network(run: Any) -> None:
  """Raises ValueError where network, mixer, method and images do not fit.

  Tracing takes a moment, so this is for runs that are about to be trained, and
  what cannot fail is not traced.

  Args:
    run: The run.
  """
  config, method = run.config, run.method
  groups.check_source(config, run.sources["train"])
  model = f"model {config.model.name!r}"
  with _naming(model):
    state = step_lib.shapes_of_state(method, run.optimizer, run.example)
  _check_groups(config.method.get("groups", {}), state.params)
  if run.mixer.guidance.hidden:
    _check_stages(run, state)
  unusual = method.note or method.mixes_features
  if run.mixer.guidance != mixers.needs() or unusual:
    with _naming(f"mixer {config.mix.name!r} with {model}"):
      _trace(method.loss, state.params, state, _batch(run))
  elif config.unlabelled.split:
    with _naming(f"method {config.method.name!r} with {model}"):
      _trace(method.loss, state.params, state, _batch(run))
  side = config.data.test_image_size or config.data.image_size
  x = run.example["x"]
  shape = (1, side, side, *x.shape[3:])
  if not side or shape == x.shape:
    return
  with _naming(f"data.test_image_size={config.data.test_image_size} with {model}"):
    images = jax.ShapeDtypeStruct(shape, x.dtype)
    jax.eval_shape(lambda s, x: method.predict(s, {"x": x}), state, images)


def _check_groups(groups, params):
  for group in groups:
    if group not in params:
      raise ValueError(
          f"method.groups has {group!r}, and no parameters of that name;"
          f" {names.suggest(group, params)}"
      )


def _check_stages(run, state):
  """A stage that the network lacks would be drawn, and nothing mixed."""
  seen = set()

  def hook(stage, x):
    seen.add(stage)
    return x

  train = functools.partial(run.method.network.train, hook=hook)
  _trace(train, run.method.variables(state), _rows(run.example, 1)["x"])
  lacking = mixing.stages_of(run.config.mix) - seen
  if lacking:
    raise ValueError(
        f"mix.stages must be among {sorted(seen)}, the stages of model"
        f" {run.config.model.name!r}, got {sorted(lacking)}"
    )


def _trace(function, *arguments):
  """Traces a function with a key behind its arguments, on one device."""
  trace = jax.make_jaxpr(function, axis_env=[(parallel.AXIS, 1)])
  trace(*arguments, jax.random.key(0))


def _batch(run):
  """What the loss gets on one device, as shapes."""
  rows = run.config.batch_size // jax.device_count()
  batch = _rows(run.example, rows)
  if run.config.unlabelled.split:
    ratio = run.config.unlabelled.ratio
    batch = {"labelled": batch, "unlabelled": _rows(run.example, ratio * rows)}
  views = functools.partial(
      augmentation.views, wanted=run.method.views, augments=run.augment
  )
  return jax.eval_shape(views, jax.random.key(0), batch)


def _rows(example, count):
  """So many rows of what is one in the example, as shapes."""
  rows = jnp.zeros(count, jnp.int32)
  return jax.eval_shape(lambda: {k: v[rows] for k, v in example.items()})


@contextlib.contextmanager
def _naming(what: str) -> Iterator[None]:
  """Makes what a trace raises a ValueError in one line that names `what`."""
  try:
    yield
  except _OF_BAD_OPTIONS as error:
    raise ValueError(f"{what}: {' '.join(str(error).split())}") from error

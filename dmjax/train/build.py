"""From a configuration to what is trained: method, model, first parameters."""

from typing import Any

import jax
import jax.numpy as jnp

from dmjax import config as config_lib
from dmjax import methods
from dmjax import models
from dmjax import names
from dmjax import parallel
from dmjax.data import pipelines
from dmjax.methods import guidance


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

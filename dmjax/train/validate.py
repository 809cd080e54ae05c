"""What makes a configuration valid, seen before any work."""

from collections.abc import Callable, Mapping
import functools
import math
import os
import pathlib
from typing import Any

import jax
import jax.numpy as jnp

from dmjax import augment
from dmjax import config as config_lib
from dmjax.data import base
from dmjax.methods import guidance
from dmjax.train import mixing
from dmjax.train import workdir as workdir_lib

# Sections whose options are those of the function they name, and keys that they
# have in any case.
_NAMED = {
    "evaluate.mix": ("name",),
    "loss": ("name",),
    "method": ("name",),
    "mix": ("name",),
    "model": ("name", "dtype"),
    "optimizer": ("name", "lr", "weight_decay", "decay_all", "clip_norm"),
}
# Smallest and largest value; an open end is not itself allowed.
_BOUNDS = {
    "batch_size": (1, math.inf),
    "checkpoint.keep": (1, math.inf),
    "data.crop_padding": (0, math.inf),
    "data.cutout": (0, math.inf),
    "data.erase": (0, 1),
    "data.image_size": (0, math.inf),
    "data.jitter": (0, 1),
    "data.repeats": (1, math.inf),
    "data.test_image_size": (0, math.inf),
    "data.test_resize": (0, math.inf),
    "data.workers": (0, math.inf),
    "evaluate.batch_size": (1, math.inf),
    "optimizer.clip_norm": (0, math.inf),
    "optimizer.weight_decay": (0, math.inf),
    "schedule.end_lr": (0, math.inf),
    "schedule.warmup_lr": (0, math.inf),
    "seed": (0, 2**32 - 1),
    "steps_per_call": (0, math.inf),
}
_CHOICES = {
    "data.channels": (0, 1, 3),
    "data.crop_mode": ("reflect", "constant"),
    "data.pipeline": ("resident", "streaming"),
    "model.dtype": ("float32", "bfloat16", "float16"),
}


def check_config(config: Any) -> None:
  """Raises ValueError for what can be seen to be wrong before any work.

  Args:
    config: The configuration.
  """
  _check_keys(config, config_lib.default())
  for key, bounds in _BOUNDS.items():
    _check_bounds(key, _get(config, key), *bounds)
  for key, choices in _CHOICES.items():
    if _get(config, key) not in choices:
      raise ValueError(
          f"{key} must be one of {', '.join(map(str, choices))}, got"
          f" {_get(config, key)!r}"
      )
  devices = jax.device_count()
  if config.batch_size % devices:
    raise ValueError(
        f"batch_size must be a multiple of the {devices} devices, got"
        f" {config.batch_size}"
    )
  _check_optimizer(config.optimizer)
  _check_data(config.data)
  _check_start(config)


def _check_keys(config, default, prefix=""):
  """Every key is there, and of the type of its default."""
  for key, value in default.items():
    name = prefix + key
    if key not in config:
      raise ValueError(
          f"the configuration lacks {name!r}; start from"
          " dmjax.config.default(), which has every key"
      )
    if name in _NAMED:
      _check_named(name, config[key])
    elif isinstance(value, Mapping) or hasattr(value, "items"):
      _check_section(name, config[key])
      if name != "published":
        _check_keys(config[key], value, f"{name}.")
    elif not _is_like(config[key], value):
      raise ValueError(
          f"{name} must be {_kind(value)}, as {value!r}, got {config[key]!r}"
      )


def _check_named(name, section):
  _check_section(name, section)
  for key in _NAMED[name]:
    if key not in section:
      raise ValueError(f"the configuration lacks {f'{name}.{key}'!r}")


def _check_section(name, section):
  if not hasattr(section, "items"):
    raise ValueError(f"{name} must be a section of keys, got {section!r}")


def _is_like(value, default):
  if isinstance(default, bool) or isinstance(value, bool):
    return isinstance(value, bool) and isinstance(default, bool)
  kinds = {float: (float, int), tuple: (tuple, list)}
  return isinstance(value, kinds.get(type(default), type(default)))


def _kind(value):
  kinds = {
      bool: "true or false", float: "a number", int: "a whole number",
      str: "text", tuple: "a tuple",
  }
  return kinds[type(value)]


def _get(config, key):
  return functools.reduce(lambda tree, part: tree[part], key.split("."), config)


def _check_bounds(key, value, low, high):
  number = isinstance(value, (int, float)) and math.isfinite(value)
  if not (number and low <= value <= high):
    inside = f"lie in [{low}, {high}]" if high < math.inf else f"be >= {low}"
    raise ValueError(f"{key} must {inside}, got {value!r}")


def _check_optimizer(section):
  if not (isinstance(section.lr, (int, float)) and 0 < section.lr < math.inf):
    raise ValueError(f"optimizer.lr must be > 0, got {section.lr!r}")
  for key in ("momentum", "b1", "b2"):
    value = section.get(key)
    if isinstance(value, (int, float)) and not 0 <= value < 1:
      raise ValueError(f"optimizer.{key} must lie in [0, 1), got {value}")


def _check_data(data):
  if not all(std > 0 for std in data.std):
    raise ValueError(f"data.std must be > 0, got {tuple(data.std)}")
  if data.rand_augment:
    augment.parse_policy(data.rand_augment)
  scale = tuple(data.crop_scale)
  if scale and not (len(scale) == 2 and 0 < scale[0] <= scale[1] <= 1):
    raise ValueError(
        f"data.crop_scale must be (smallest, largest) within (0, 1], got {scale}"
    )
  if scale and data.pipeline == "streaming" and not data.image_size:
    raise ValueError("data.image_size must be set with data.crop_scale, got 0")


def _check_start(config):
  if config.pretrained and config.init_from:
    raise ValueError(
        "pretrained and init_from are two ways to start, name one; got"
        f" {config.pretrained!r} and {config.init_from!r}"
    )
  if config.pretrained and not os.path.isfile(config.pretrained):
    raise ValueError(
        f"pretrained must be a .safetensors file, got {config.pretrained!r}; save"
        " parameters in timm's layout there, or start without: --config.pretrained="
    )
  if config.init_from:
    workdir_lib.read_config(pathlib.Path(config.init_from))


def check_mixing(
    config: Any,
    example: Any,
    mixer: mixing.Mixer,
    test_mixer: mixing.Mixer,
    loss: Callable[..., jax.Array],
) -> None:
  """Raises ValueError for options that mixers or the loss refuse.

  A trace of them on four images meets every check they make.
  """
  if test_mixer.guidance.before or test_mixer.guidance.hidden:
    raise ValueError(
        "evaluate.mix must be a mixer of inputs without guidance, got"
        f" {config.evaluate.mix.name!r}"
    )
  for each in (mixer, test_mixer):
    _dry_run(each, loss, example["x"])


def _dry_run(mixer, loss, x):
  def trace(key, images):
    maps = guidance.training_free(mixer.guidance, images)
    mixed = mixer.mix(key, images, **maps)
    labels = jnp.zeros_like(mixed.sources)
    return loss(jnp.zeros((4, 2)), labels, mixed.weights)

  images = jax.ShapeDtypeStruct((4, *x.shape[1:]), x.dtype)
  jax.eval_shape(functools.partial(trace, jax.random.key(0)), images)


def check_data(config: Any, sources: Any, example: Any) -> None:
  """Raises ValueError where data and configuration do not fit.

  Args:
    config: The configuration.
    sources: `train` and `test`.
    example: A batch of one row.
  """
  height, width, channels = example["x"].shape[1:]
  for key in ("mean", "std"):
    if len(config.data[key]) not in (1, channels):
      raise ValueError(
          f"data.{key} must have 1 or {channels} values, one per channel of"
          f" {config.data.name!r}, got {tuple(config.data[key])}"
      )
  padding = config.data.crop_padding
  if padding >= min(height, width):
    raise ValueError(
        f"data.crop_padding must be smaller than the images of {height}x{width}"
        f" pixels, got {padding}"
    )
  base.check_classes(sources["train"], sources["test"])

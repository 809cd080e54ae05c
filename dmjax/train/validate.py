"""What makes a configuration valid, seen before any work."""

import difflib
import functools
import math
import os
import pathlib
from typing import Any

import jax

from dmjax import augment
from dmjax.data import base
from dmjax.data import groups
from dmjax.data import labels
from dmjax.data import pipelines
from dmjax.train import layer_decay
from dmjax.train import schema
from dmjax.train import workdir as workdir_lib

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
    "data.per_class": (0, math.inf),
    "data.label_noise_seed": (0, 2**32 - 1),
    "data.labels_seed": (0, 2**32 - 1),
    "data.workers": (0, math.inf),
    "evaluate.batch_size": (1, math.inf),
    "optimizer.clip_norm": (0, math.inf),
    "optimizer.weight_decay": (0, math.inf),
    "published.last": (0, math.inf),
    "schedule.end_lr": (0, math.inf),
    "schedule.warmup_lr": (0, math.inf),
    "seed": (0, 2**32 - 1),
    "steps_per_call": (0, math.inf),
    "unlabelled.cutout": (0, 1),
    "unlabelled.ratio": (1, math.inf),
}
_CHOICES = {
    "data.channels": (0, 1, 3),
    "data.crop_mode": ("reflect", "constant"),
    "data.pipeline": ("resident", "streaming"),
    "model.dtype": ("float32", "bfloat16", "float16"),
    "published.rule": ("best", "last", "median"),
}


def check_config(config: Any) -> None:
  """Raises ValueError for what can be seen to be wrong before any work.

  Args:
    config: The configuration.
  """
  schema.check(config)
  for key, bounds in _BOUNDS.items():
    _check_bounds(key, _get(config, key), *bounds)
  for key, choices in _CHOICES.items():
    _check_choice(key, _get(config, key), choices)
  devices = jax.device_count()
  if config.batch_size % devices:
    raise ValueError(
        f"batch_size must be a multiple of the {devices} devices, got"
        f" {config.batch_size}"
    )
  _check_optimizer(config.optimizer)
  _check_data(config.data)
  groups.check(config)
  if name := config.unlabelled.auto_augment:
    augment.parse_policy(name, setting="unlabelled.auto_augment")
  _check_start(config)


def _check_choice(key, value, choices):
  if value in choices and not isinstance(value, bool):
    return
  said = f"one of {', '.join(map(str, choices))}"
  near = difflib.get_close_matches(str(value), map(str, choices), 1, cutoff=0.4)
  raise ValueError(
      f"{key} must be {said}, got {value!r}"
      + (f"; did you mean {near[0]!r}?" if near and near[0] != str(value) else "")
  )


def _get(config, key):
  return functools.reduce(lambda tree, part: tree[part], key.split("."), config)


def _check_bounds(key, value, low, high):
  if not (schema.is_number(value) and low <= value <= high):
    inside = f"lie in [{low}, {high}]" if high < math.inf else f"be >= {low}"
    raise ValueError(f"{key} must {inside}, got {value!r}")


def _check_optimizer(section):
  if not (schema.is_number(section.lr) and section.lr > 0):
    raise ValueError(f"optimizer.lr must be > 0, got {section.lr!r}")
  for key in ("momentum", "b1", "b2"):
    value = section.get(key)
    if value is not None and not (schema.is_number(value) and 0 <= value < 1):
      raise ValueError(f"optimizer.{key} must lie in [0, 1), got {value!r}")
  _check_bounds("optimizer.eps", section.get("eps", 0.0), 0, math.inf)
  layer_decay.check(section.get("layer_decay", 1.0))


def _check_data(data):
  if not data.name.strip():
    raise ValueError(f"data.name must name a dataset, got {data.name!r}")
  if not all(map(schema.is_number, data.mean)):
    raise ValueError(f"data.mean must be numbers, got {tuple(data.mean)}")
  if not all(schema.is_number(std) and std > 0 for std in data.std):
    raise ValueError(f"data.std must be > 0, got {tuple(data.std)}")
  if data.auto_augment:
    augment.parse_policy(data.auto_augment)
  if data.labels:
    labels.parse(data.labels)
  labels.check_noise("data.label_noise", data.label_noise)
  scale = tuple(data.crop_scale)
  numbers = len(scale) == 2 and all(map(schema.is_number, scale))
  if scale and not (numbers and 0 < scale[0] <= scale[1] <= 1):
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
  other = pathlib.Path(config.init_from)
  if config.init_from and not (other / workdir_lib.CONFIG).is_file():
    raise ValueError(
        f"init_from must be the workdir of a run, got {config.init_from!r}"
    )


def check_streams(config: Any, views: Any) -> None:
  """Raises ValueError where the method and the data differ about labels.

  Args:
    config: The configuration.
    views: Those that the method wants.
  """
  split, name = config.unlabelled.split, config.method.name
  if "unlabelled" in views and not split:
    raise ValueError(
        f"method {name!r} needs unlabelled images, name their split:"
        " --config.unlabelled.split=train"
    )
  if split and "unlabelled" not in views:
    raise ValueError(
        f"unlabelled.split={split!r}, and method {name!r} uses labelled images"
        " alone: leave it empty, or choose another method"
    )


def check_data(
    config: Any, domain: base.Domain, sources: Any, example: Any
) -> None:
  """Raises ValueError where data and configuration do not fit.

  Args:
    config: The configuration.
    domain: The kind of the inputs.
    sources: `train`, `test` and `unlabelled` if there is one.
    example: A batch of one row.
  """
  domain.check(config, example)
  base.check_classes(sources["train"], sources["test"])
  if "unlabelled" in sources:
    _check_alike(config, sources["unlabelled"], example["x"].shape[1:])


def _check_alike(config, unlabelled, shape):
  """Both streams go through the network together."""
  found = pipelines.example(config.data, unlabelled)["x"].shape[1:]
  if found != shape:
    raise ValueError(
        f"images of unlabelled.split={config.unlabelled.split!r} must have the"
        f" shape {shape} of those of data.train, got {found}; set"
        " --config.data.image_size, or --config.data.channels"
    )

"""What makes a configuration valid, seen before any work."""

from collections.abc import Callable
import functools
import os
from typing import Any

import jax
import jax.numpy as jnp

from dmjax import augment
from dmjax.methods import guidance
from dmjax.train import mixing


def check_config(config: Any) -> None:
  """Raises ValueError for what can be seen to be wrong before any work.

  Args:
    config: The configuration.
  """
  devices = jax.device_count()
  for key, value in (
      ("batch_size", config.batch_size),
      ("evaluate.batch_size", config.evaluate.batch_size),
  ):
    if value <= 0 or value % devices:
      raise ValueError(
          f"{key} must be a positive multiple of the {devices} devices, got"
          f" {value}"
      )
  _check_data(config.data)
  if config.pretrained and not os.path.isfile(config.pretrained):
    raise ValueError(
        f"pretrained must be a .safetensors file, got {config.pretrained!r}; save"
        " parameters in timm's layout there, or start without: --config.pretrained="
    )
  if config.optimizer.lr <= 0:
    raise ValueError(f"optimizer.lr must be > 0, got {config.optimizer.lr}")


def _check_data(data):
  if data.pipeline not in ("resident", "streaming"):
    raise ValueError(
        f"data.pipeline must be resident or streaming, got {data.pipeline!r}"
    )
  if data.rand_augment:
    augment.parse_policy(data.rand_augment)
  for key in ("erase", "jitter"):
    if not 0 <= data[key] <= 1:
      raise ValueError(f"data.{key} must lie in [0, 1], got {data[key]}")
  scale = tuple(data.crop_scale)
  if scale and not (len(scale) == 2 and 0 < scale[0] <= scale[1] <= 1):
    raise ValueError(
        f"data.crop_scale must be (smallest, largest) within (0, 1], got {scale}"
    )
  if scale and data.pipeline == "streaming" and not data.image_size:
    raise ValueError("data.image_size must be set with data.crop_scale, got 0")
  for key, least in (("repeats", 1), ("cutout", 0), ("test_resize", 0)):
    if data[key] < least:
      raise ValueError(f"data.{key} must be >= {least}, got {data[key]}")


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
  if test_mixer.guidance.before:
    raise ValueError(
        "evaluate.mix must be a mixer without guidance, got"
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
  channels = example["x"].shape[-1]
  for key in ("mean", "std"):
    if len(config.data[key]) not in (1, channels):
      raise ValueError(
          f"data.{key} must have 1 or {channels} values, one per channel of"
          f" {config.data.name!r}, got {tuple(config.data[key])}"
      )
  classes = {split: source.num_classes for split, source in sources.items()}
  if classes["train"] != classes["test"]:
    raise ValueError(
        f"data.train has {classes['train']} classes, data.test has"
        f" {classes['test']}"
    )

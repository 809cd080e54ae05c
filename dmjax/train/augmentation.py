"""The training augmentation of a configuration, on the device."""

from collections.abc import Callable, Mapping
import functools
from typing import Any

import jax

from dmjax import augment


def make_augment(
    data: Mapping[str, Any],
) -> Callable[[jax.Array, jax.Array], jax.Array]:
  """Crop, flip, colour, erase: those that the configuration asks for.

  Streaming workers have cropped already where boxes are resized.

  Args:
    data: The `data` section.

  Returns:
    `(key, x) -> x`, of images in [0, 1].

  Raises:
    ValueError: For a policy that is none.
  """
  steps, mean = [], tuple(data["mean"])

  def add(step, **options):
    steps.append(functools.partial(step, **options))

  if data["crop_scale"] and data["pipeline"] == "resident":
    add(augment.random_resized_crop, scale=tuple(data["crop_scale"]))
  if data["crop_padding"]:
    add(
        augment.random_crop, padding=data["crop_padding"],
        mode=data["crop_mode"],
    )
  if data["flip"]:
    add(augment.random_flip)
  steps += _colour(data, mean)
  if data["erase"]:
    add(
        augment.random_erase, probability=data["erase"], mean=mean,
        std=tuple(data["std"]),
    )
  if data["cutout"]:
    add(augment.cutout, size=data["cutout"], fill=mean)
  return functools.partial(augment.chain, steps=tuple(steps))


def _colour(data, mean):
  """The policy, which takes the place of jitter; 3-Augment goes before it."""
  steps, name = [], data["auto_augment"]
  if name == "3a":
    steps.append(augment.three_augment)
  elif name:
    steps.append(functools.partial(
        augment.rand_augment, policy=augment.parse_policy(name), fill=mean
    ))
  if data["jitter"] and name in ("", "3a"):
    jitter = functools.partial(augment.colour_jitter, strength=data["jitter"])
    steps.append(jitter)
  return steps

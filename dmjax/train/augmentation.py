"""The training augmentation of a configuration, on the device."""

from collections.abc import Callable, Mapping
import functools
from typing import Any

import jax

from dmjax import augment

View = Callable[[jax.Array, jax.Array], jax.Array]


def make_views(config: Any) -> dict[str, View]:
  """The views of a training image: `weak`, and `strong` on top of it.

  Args:
    config: The configuration.

  Returns:
    `(key, x) -> x` by name, of images in [0, 1].

  Raises:
    ValueError: For a policy that is none.
  """
  weak, section = make_augment(config.data), config.unlabelled
  colour = {"auto_augment": section.auto_augment, "jitter": 0.0}
  steps = [weak, *_colour(colour, tuple(config.data.mean))]
  if section.cutout:
    steps.append(functools.partial(
        augment.random_cutout, largest=section.cutout,
        fill=tuple(config.data.mean),
    ))
  strong = functools.partial(augment.chain, steps=tuple(steps))
  return {"weak": weak, "strong": strong}


def views(
    key: jax.Array,
    batch: dict[str, Any],
    wanted: Mapping[str, Any],
    augments: Mapping[str, View],
) -> dict[str, Any]:
  """The batch with the views that a method wants in place of its images.

  Args:
    key: PRNG key.
    batch: With images `x`, or streams of such batches.
    wanted: Views by name, nested by the names of the streams.
    augments: How each view is made.

  Returns:
    The batch. Unlabelled streams have no labels.
  """
  if all(isinstance(view, str) for view in wanted.values()):
    return _views(key, batch, wanted, augments)
  keys = jax.random.split(key, len(wanted))
  batch = {
      name: _views(key, batch[name], wanted[name], augments)
      for name, key in zip(wanted, keys)
  }
  del batch["unlabelled"]["label"]
  return batch


def _views(key, batch, wanted, augments):
  batch = dict(batch)
  x = batch.pop("x")
  keys = jax.random.split(key, len(wanted)) if len(wanted) > 1 else [key]
  for key, (name, view) in zip(keys, wanted.items()):
    batch[name] = augments[view](key, x)
  return batch


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

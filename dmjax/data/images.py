"""Images: how they are opened, augmented and checked."""

from collections.abc import Callable, Mapping
import functools
import pathlib
from typing import Any

import jax
import numpy as np
import tensorflow_datasets as tfds

from dmjax import augment
from dmjax.data import base
from dmjax.data import folders
from dmjax.data import pictures
from dmjax.data import unreadable


def recognises(features: Mapping[str, Any], key: Any) -> bool:
  """Whether the input of a dataset is an image."""
  known = isinstance(key, str) and key in features
  return known and isinstance(features[key], tfds.features.Image)


def open_dataset(
    builder: tfds.core.DatasetBuilder, name: str, split: str, data: Any
) -> base.Source:
  """A split of a TFDS dataset, which is not decoded yet."""
  del data
  base.check_split(builder, name, split)
  image, label = base.keys_of(builder)
  source = builder.as_data_source(split)
  skip = {image: tfds.decode.SkipDecoding()}
  labels_alone = builder.as_data_source(split, decoders=skip)
  domains = _domain_names(builder.info.features)
  where = f"of {name!r}, split {split!r}"

  def read(index):
    try:
      example = source[int(index)]
    except (OSError, SyntaxError) as error:  # Of PIL, for damaged images.
      raise unreadable.Unreadable(f"example {index} {where}: {error}") from None
    x = pictures.plain(example[image])
    found = {"x": x, "label": int(example[label])}
    return found | {"domain": np.int32(example["domain"])} if domains else found

  def of_row(key):
    return lambda index: int(labels_alone[int(index)][key])

  return base.Source(
      read, len(source), tuple(builder.info.features[label].names),
      label=of_row(label), domain_names=domains,
      domain=of_row("domain") if domains else None,
  )


def _domain_names(features):
  """Those of a class label named `domain`; none where there is no such."""
  return tuple(getattr(dict(features).get("domain"), "names", None) or ())


def open_folder(root: pathlib.Path, split: str, data: Any) -> base.Source:
  """A folder `root/<split>/<class>/*.png`, see `folders.open_folder`."""
  del data
  return folders.open_folder(root, split)


def make_views(config: Any) -> dict[str, base.View]:
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
  elif name == "augmix":
    steps.append(functools.partial(augment.augmix, fill=mean))
  elif name:
    steps.append(functools.partial(
        augment.rand_augment, policy=augment.parse_policy(name), fill=mean
    ))
  if data["jitter"] and name in ("", "3a"):
    jitter = functools.partial(augment.colour_jitter, strength=data["jitter"])
    steps.append(jitter)
  return steps


def check(config: Any, example: base.Arrays) -> None:
  """Raises ValueError where the `data` section does not fit the images.

  Args:
    config: The configuration.
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


DOMAIN = base.Domain(
    unit="images",
    recognises=recognises,
    open=open_dataset,
    holds=lambda folder: True,  # Whatever is not of another kind.
    open_folder=open_folder,
    views=make_views,
    check=check,
    pictures=np.asarray,
)

"""Reading one example: its label checked, its image resized."""

import numpy as np
from PIL import Image

from dmjax.data import base
from dmjax.data import crops


def read(
    source: base.Source, index: int, image_size: int = 0, resize: int = 0
) -> base.Arrays:
  """An example as arrays, with its `index`.

  Args:
    source: The source.
    index: Of the example.
    image_size: Side of the central square that an image is cropped and resized
      to; 0 keeps it as it is.
    resize: Of the shorter side, before the crop; `image_size` if 0.

  Returns:
    The example.

  Raises:
    ValueError: For a label out of range.
  """
  example = whole(source, index)
  size = (image_size, image_size)
  if image_size and (resize or example["x"].shape[:2] != size):
    square = crops.central_crop(to_picture(example["x"]), image_size, resize)
    example["x"] = to_pixels(square)
  return example


def whole(source: base.Source, index: int) -> base.Arrays:
  """`read` without any change of size."""
  example = dict(source.read(index))
  label, classes = example["label"], source.num_classes
  if not 0 <= label < classes:
    raise ValueError(
        f"label of example {index} must lie in [0, {classes}), got {label}"
    )
  return example | {"label": np.int32(label), "index": np.int32(index)}


def to_picture(pixels: np.ndarray) -> Image.Image:
  """Pixels `uint8[H, W, C]` as a picture, grey for C = 1."""
  return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def to_pixels(picture: Image.Image) -> np.ndarray:
  """A picture as `uint8[H, W, C]`."""
  pixels = np.asarray(picture)
  return pixels[..., None] if pixels.ndim == 2 else pixels


def stack(examples: list[base.Arrays]) -> base.Arrays:
  """Examples as arrays `[B, ...]`; ValueError for images of several shapes."""
  for example in examples:
    check_shape(example, examples[0]["x"].shape)
  return {k: np.stack([e[k] for e in examples]) for k in examples[0]}


def check_shape(example: base.Arrays, shape: tuple[int, ...]) -> base.Arrays:
  """The example, if its `x` has the shape of the first one; else ValueError."""
  found = example["x"].shape
  if found == shape:
    return example
  if found[-1] != shape[-1]:
    raise ValueError(
        f"example {example['index']} has {found[-1]} channels, the first one"
        f" {shape[-1]}; read all images as RGB with --config.data.channels=3,"
        " or as grey with --config.data.channels=1"
    )
  raise ValueError(
      f"example {example['index']} has {found} pixels, the first one {shape};"
      " set --config.data.image_size, for large sets with"
      " --config.data.pipeline=streaming"
  )

"""Pictures of any kind as 8-bit pixels, grey or RGB."""

import os

import numpy as np
from PIL import Image
from PIL import ImageOps
from PIL import UnidentifiedImageError

from dmjax.data import unreadable

_GREY = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N")


def read_file(path: str) -> np.ndarray:
  """An image file as the eye sees it, turned as its EXIF data say.

  Args:
    path: Of the file.

  Returns:
    `uint8[H, W, 3]`, or `[H, W, 1]` if it is grey; see `plain`.

  Raises:
    unreadable.Unreadable: For a file that is no image, or is damaged.
  """
  try:
    with Image.open(path) as picture:
      ImageOps.exif_transpose(picture, in_place=True)
      return plain(_pixels(picture))
  # Decoders raise whatever their library does: OSError, SyntaxError, EOFError.
  except Exception as error:  # pylint: disable=broad-except
    raise unreadable.Unreadable(f"{path}: {_reason(path, error)}") from None


def has_colour(path: str) -> bool:
  """Whether a file has more than grey, by its header; False without one."""
  try:
    with Image.open(path) as picture:
      return picture.mode not in _GREY
  except Exception:  # pylint: disable=broad-except
    return False  # Reading tells what is wrong with it.


def plain(pixels: np.ndarray) -> np.ndarray:
  """Pixels in 8 bits without alpha.

  Args:
    pixels: `[H, W, C]`, uint8 or uint16, C of 1 to 4: grey, grey with alpha,
      RGB, RGB with alpha.

  Returns:
    `uint8[H, W, 1 or 3]`: 65535 becomes 255, alpha is composed on white. What
    has another type or rank stays as it is.
  """
  if pixels.ndim != 3:
    return pixels
  if pixels.dtype == np.uint16:
    pixels = np.round(pixels / 257).astype(np.uint8)
  if pixels.dtype != np.uint8 or pixels.shape[-1] not in (2, 4):
    return pixels
  colour, alpha = pixels[..., :-1], pixels[..., -1:] / np.float32(255)
  return np.round(alpha * colour + (1 - alpha) * 255).astype(np.uint8)


def with_channels(pixels: np.ndarray, channels: int) -> np.ndarray:
  """Pixels `[H, W, C]`, see `plain`, as grey (1 channel) or as RGB (3)."""
  pixels = plain(pixels)
  if pixels.shape[-1] == channels:
    return pixels
  if channels == 3:
    return np.repeat(pixels, 3, axis=-1)
  return np.asarray(Image.fromarray(pixels).convert("L"))[..., None]


def _pixels(picture):
  if picture.mode.startswith("I"):
    return _sixteen_bits(np.asarray(picture))[..., None]
  if picture.mode == "F":
    raise ValueError("float pixels have no known range; save 8 or 16 bits")
  grey = picture.mode in _GREY
  if picture.has_transparency_data:
    return np.asarray(picture.convert("LA" if grey else "RGBA"))
  pixels = np.asarray(picture.convert("L" if grey else "RGB"))
  return pixels[..., None] if grey else pixels


def _sixteen_bits(pixels):
  if pixels.min() < 0 or pixels.max() > 65535:
    raise ValueError("pixels must lie in [0, 65535]; save 8 or 16 bits")
  return pixels.astype(np.uint16)


def _reason(path, error):
  if isinstance(error, UnidentifiedImageError):
    return "not an image" if os.path.getsize(path) else "the file is empty"
  return getattr(error, "strerror", None) or str(error) or type(error).__name__

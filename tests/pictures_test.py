"""Pictures of every kind, as 8-bit pixels."""

import numpy as np
from PIL import Image
import pytest

from dmjax.data import pictures
from dmjax.data import unreadable


@pytest.mark.parametrize("options", ({}, {"transparency": 7}))
@pytest.mark.parametrize("suffix", ("png", "tif"))
def test_16_bits_are_scaled_to_8(tmp_path, suffix, options):
  values = np.array([[0, 257, 32768], [25700, 65278, 65535]], np.uint16)
  path = tmp_path / f"0.{suffix}"
  Image.fromarray(values).save(path, **(options if suffix == "png" else {}))
  x = pictures.read_file(path)
  assert x.dtype == np.uint8
  np.testing.assert_array_equal(x[..., 0], [[0, 1, 128], [100, 254, 255]])


@pytest.mark.parametrize("mode", ("F", "I"))
def test_pixels_of_unknown_range_are_refused_by_name(tmp_path, mode):
  values = np.full((2, 2), 70000, {"F": np.float32, "I": np.int32}[mode])
  Image.fromarray(values).save(tmp_path / "0.tif")
  with pytest.raises(ValueError, match=r"0\.tif: .*8 or 16 bits"):
    pictures.read_file(tmp_path / "0.tif")


@pytest.mark.parametrize("deep", (False, True))
def test_pictures_are_turned_as_their_exif_data_say(tmp_path, deep):
  values = np.arange(6).reshape(2, 3) * (257 if deep else 1)
  exif = Image.Exif()
  exif[0x112] = 6  # To be turned clockwise by 90 degrees.
  image = Image.fromarray(values.astype(np.uint16 if deep else np.uint8))
  image.save(tmp_path / "0.png", exif=exif)
  x = pictures.read_file(tmp_path / "0.png")
  np.testing.assert_array_equal(x[..., 0], [[3, 0], [4, 1], [5, 2]])


@pytest.mark.parametrize("mode", ("LA", "RGBA", "P", "L", "RGB"))
def test_alpha_is_composed_on_white(tmp_path, mode):
  image, options = Image.new("RGBA", (3, 1), (200, 200, 200, 255)), {}
  image.putpixel((1, 0), (10, 10, 10, 0))
  if mode in ("LA", "RGBA"):
    image.putpixel((2, 0), (100, 100, 100, 51))
  else:
    image.putpixel((2, 0), (224, 224, 224, 255))
  if mode in ("L", "RGB"):
    options = {"transparency": 10 if mode == "L" else (10, 10, 10)}
  if mode == "P":
    image = image.convert("RGB").quantize(3)
    options = {"transparency": image.getpixel((1, 0))}
  image.convert(mode).save(tmp_path / "0.png", **options)
  x = pictures.read_file(tmp_path / "0.png")
  assert x.shape[-1] == (1 if mode in ("L", "LA") else 3)
  np.testing.assert_array_equal(x[0, :, 0], [200, 255, 224])


@pytest.mark.parametrize("mode", ("1", "P", "CMYK"))
def test_other_modes_become_grey_or_rgb(tmp_path, mode):
  image = Image.new("RGB", (6, 4), "white").convert(mode)
  image.save(tmp_path / "0.tif")
  x = pictures.read_file(tmp_path / "0.tif")
  assert x.shape == (4, 6, 1 if mode == "1" else 3) and x.min() == 255


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("kept", (0, 1, 30, 400, 5000, -400))
@pytest.mark.parametrize("suffix", ("png", "jpg", "webp", "bmp", "tif", "gif"))
def test_damaged_files_are_named_whatever_is_left_of_them(tmp_path, suffix, kept):
  pixels = np.random.default_rng(0).integers(256, size=(90, 80, 3))
  path = tmp_path / f"0.{suffix}"
  Image.fromarray(pixels.astype(np.uint8)).save(path)
  path.write_bytes(path.read_bytes()[:kept])
  with pytest.raises(unreadable.Unreadable) as error:
    pictures.read_file(path)
  reason = str(error.value).removeprefix(f"{path}: ")
  assert reason and str(path) not in reason
  assert kept or reason == "the file is empty"


def test_garbage_in_place_of_exif_data_does_no_harm(tmp_path):
  image = Image.new("RGB", (6, 4), "white")
  image.save(tmp_path / "0.jpg", exif=b"Exif\0\0no such thing, no such thing")
  assert pictures.read_file(tmp_path / "0.jpg").min() == 255


@pytest.mark.parametrize("channels", (1, 3))
def test_16_bits_with_alpha_become_8_without(channels):
  pixels = np.zeros((1, 2, channels + 1), np.uint16)
  pixels[0, 0, -1] = 65535
  x = pictures.plain(pixels)
  assert x.dtype == np.uint8 and x.shape == (1, 2, channels)
  assert x[0, 0].max() == 0 and x[0, 1].min() == 255

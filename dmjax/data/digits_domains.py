"""Scikit-learn's digits in five guises, each a domain: nothing to download."""

from collections.abc import Callable, Mapping
import io

import numpy as np
from PIL import Image
from PIL import ImageFilter
import tensorflow_datasets as tfds

_ANGLE = 45  # Degrees, anticlockwise.
_NOISE = 80  # Standard deviation, of 255.


def _noisy(picture: Image.Image, row: int) -> Image.Image:
  noise = np.random.default_rng(row).normal(0, _NOISE, (8, 8))
  pixels = np.clip(np.asarray(picture) + noise, 0, 255)
  return Image.fromarray(np.round(pixels).astype(np.uint8))


# `(picture, number of the digit) -> picture`.
GUISES: Mapping[str, Callable[[Image.Image, int], Image.Image]] = {
    "original": lambda picture, row: picture,
    "rotated": lambda picture, row: picture.rotate(
        _ANGLE, Image.Resampling.BILINEAR
    ),
    "blurred": lambda picture, row: picture.filter(
        ImageFilter.GaussianBlur(1)
    ),
    "inverted": lambda picture, row: picture.point(lambda ink: 255 - ink),
    "noisy": _noisy,
}


class DigitsDomains(tfds.core.GeneratorBasedBuilder):
  """The digits of `digits`, as they are, rotated, blurred, inverted and noisy.

  The splits are those of `digits`, so no digit of the test is trained on in any
  guise. A training digit has one guise alone, every fifth of a class the same:
  as photographs and sketches do, domains differ in what they show. A test digit
  has all five, so that the domains are tested on the same digits.
  """

  VERSION = tfds.core.Version("1.0.0")
  RELEASE_NOTES = {"1.0.0": "First version."}

  def _info(self) -> tfds.core.DatasetInfo:
    return self.dataset_info_from_configs(
        description="Handwritten digits (UCI), 8x8, in five guises.",
        features=tfds.features.FeaturesDict({
            "image": tfds.features.Image(shape=(8, 8, 1)),
            "label": tfds.features.ClassLabel(num_classes=10),
            "domain": tfds.features.ClassLabel(names=list(GUISES)),
        }),
        supervised_keys=("image", "label"),
    )

  def _split_generators(self, dl_manager):
    del dl_manager
    # Where it is used: scikit-learn takes half a second to import.
    from sklearn import datasets  # pylint: disable=g-import-not-at-top

    digits = datasets.load_digits()
    rows = np.arange(len(digits.target))
    train, test = rows[rows % 5 != 0], rows[rows % 5 == 0]
    worn = [
        (row, list(GUISES)[place % len(GUISES)])
        for row, place in zip(train, _places(digits.target[train]))
    ]
    every = [(row, name) for row in test for name in GUISES]
    return {
        "train": self._generate_examples(digits, worn),
        "test": self._generate_examples(digits, every),
    }

  def _generate_examples(self, digits, pairs):
    # Ink is 0 to 16; 255 / 16 keeps the grid and fills the range of uint8.
    images = np.round(digits.images * (255 / 16)).astype(np.uint8)
    for row, name in pairs:
      png = io.BytesIO()
      guise = GUISES[name](Image.fromarray(images[row]), int(row))
      guise.save(png, format="PNG")
      png.seek(0)
      yield f"{row}-{name}", {
          "image": png, "label": int(digits.target[row]), "domain": name,
      }


def _places(labels):
  """The place of each label among those of its class."""
  same = np.tril(labels[:, None] == labels[None], -1)
  return same.sum(axis=1)

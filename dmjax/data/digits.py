"""Handwritten digits of scikit-learn as a TFDS dataset: nothing to download."""

import io

import numpy as np
from PIL import Image
import tensorflow_datasets as tfds


class Digits(tfds.core.GeneratorBasedBuilder):
  """1,797 digits of 8x8 pixels; every fifth example is held out for test."""

  VERSION = tfds.core.Version("1.0.0")
  RELEASE_NOTES = {"1.0.0": "First version."}

  def _info(self) -> tfds.core.DatasetInfo:
    return self.dataset_info_from_configs(
        description="Optical recognition of handwritten digits (UCI), 8x8.",
        features=tfds.features.FeaturesDict({
            "image": tfds.features.Image(shape=(8, 8, 1)),
            "label": tfds.features.ClassLabel(num_classes=10),
        }),
        supervised_keys=("image", "label"),
    )

  def _split_generators(self, dl_manager):
    del dl_manager
    test = np.arange(1797) % 5 == 0
    return {
        "train": self._generate_examples(np.flatnonzero(~test)),
        "test": self._generate_examples(np.flatnonzero(test)),
    }

  def _generate_examples(self, rows):
    # Where it is used: scikit-learn takes half a second to import.
    from sklearn import datasets  # pylint: disable=g-import-not-at-top

    digits = datasets.load_digits()
    # Ink is 0 to 16; 255 / 16 keeps the grid and fills the range of uint8.
    images = np.round(digits.images * (255 / 16)).astype(np.uint8)
    for row in rows:
      png = io.BytesIO()
      Image.fromarray(images[row]).save(png, format="PNG")
      png.seek(0)
      yield int(row), {"image": png, "label": int(digits.target[row])}

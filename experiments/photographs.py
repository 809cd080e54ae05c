"""JPEG files about as large as ImageNet's, as a TFDS dataset.

Apart from the benchmark that reads them: TFDS needs builders in a package.
"""

import io

import numpy as np
from PIL import Image
import tensorflow_datasets as tfds

COUNT = 256


class Photographs(tfds.core.GeneratorBasedBuilder):
  """Smooth colours with noise, about as large as ImageNet's files."""

  VERSION = tfds.core.Version("1.0.0")

  def _info(self):
    return self.dataset_info_from_configs(
        features=tfds.features.FeaturesDict({
            "image": tfds.features.Image(
                shape=(None, None, 3), encoding_format="jpeg"
            ),
            "label": tfds.features.ClassLabel(num_classes=10),
        }),
        supervised_keys=("image", "label"),
    )

  def _split_generators(self, dl_manager):
    return {"train": self._generate_examples()}

  def _generate_examples(self):
    for number, file in enumerate(files()):
      yield number, {"image": file, "label": number % 10}


def prepare(directory: str) -> None:
  """Writes the dataset as ArrayRecord files."""
  builder = Photographs(data_dir=directory, file_format="array_record")
  builder.download_and_prepare()


def files() -> list[bytes]:
  """The JPEG files."""
  rng, encoded = np.random.default_rng(0), []
  for _ in range(COUNT):
    coarse = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
    small = Image.fromarray(coarse)
    smooth = small.resize((500, 375), Image.Resampling.BICUBIC)
    noise = rng.normal(0, 12, (375, 500, 3))
    pixels = np.clip(np.asarray(smooth) + noise, 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="JPEG", quality=90)
    encoded.append(file.getvalue())
  return encoded

"""The Free Spoken Digit Dataset as a TFDS dataset, from its release."""

import pathlib

import numpy as np
import tensorflow_datasets as tfds

from dmjax.data import file_names
from dmjax.data import wav_files

FOLDER = "free-spoken-digit-dataset-1.0.9"
RATE = 8000
# The split that the authors publish: recordings 0 to 4 are for test.
NAMES = file_names.FileNames(
    "{digit}_{speaker}_{recording}.wav",
    {
        "all": ("train", ""),
        "train": ("train", "recording>=5"),
        "test": ("train", "recording<5"),
    },
    domain="speaker",
)


# TFDS has this dataset, with features that need TensorFlow, and no two of one
# name may be registered.
class SpokenDigit(tfds.core.GeneratorBasedBuilder, skip_registration=True):
  """2,500 recordings of ten digits by five speakers, at 8 kHz.

  Keys, order and values are those of the TFDS dataset of this name, with all
  recordings in `train`; `NAMES` has the splits. What differs is that `audio` is
  declared as a tensor, which is read without TensorFlow.
  """

  VERSION = tfds.core.Version("1.0.9")
  RELEASE_NOTES = {"1.0.9": "The release of this number."}
  MANUAL_DOWNLOAD_INSTRUCTIONS = f"""\
Unpack release v1.0.9 of https://github.com/Jakobovski/free-spoken-digit-dataset
into the manual directory, which then holds {FOLDER}/recordings.
"""

  def _info(self) -> tfds.core.DatasetInfo:
    return self.dataset_info_from_configs(
        description="Free Spoken Digit Dataset: recordings of spoken digits.",
        homepage="https://github.com/Jakobovski/free-spoken-digit-dataset",
        features=tfds.features.FeaturesDict({
            "audio": tfds.features.Tensor(shape=(None,), dtype=np.int64),
            "audio/filename": tfds.features.Text(),
            "label": tfds.features.ClassLabel(num_classes=10),
        }),
        supervised_keys=("audio", "label"),
    )

  def _split_generators(self, dl_manager):
    folder = pathlib.Path(dl_manager.manual_dir) / FOLDER / "recordings"
    paths = sorted(folder.glob("*.wav"))
    if not paths:
      raise ValueError(f"{folder} does not hold the recordings, *.wav")
    return {"train": self._generate_examples(paths)}

  def _generate_examples(self, paths):
    for path in paths:
      samples = wav_files.read_at(RATE, path)
      yield path.stem, {
          "audio": samples.astype(np.int64),
          "audio/filename": path.name,
          "label": path.name.split("_")[0],
      }

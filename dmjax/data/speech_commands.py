"""Speech Commands as a TFDS dataset, from the archive its authors publish."""

import pathlib

import numpy as np
import tensorflow_datasets as tfds

from dmjax.data import file_names
from dmjax.data import wav_files

FOLDER = "speech_commands_v0.02"
RATE = 16000
NAMES = file_names.FileNames("{speaker}_nohash_{take}.wav")
WORDS = (
    "backward", "bed", "bird", "cat", "dog", "down", "eight", "five", "follow",
    "forward", "four", "go", "happy", "house", "learn", "left", "marvin",
    "nine", "no", "off", "on", "one", "right", "seven", "sheila", "six", "stop",
    "three", "tree", "two", "up", "visual", "wow", "yes", "zero",
)
_LISTS = {"validation": "validation_list.txt", "test": "testing_list.txt"}


# TFDS has a dataset of this name: no two may be registered.
class SpeechCommands(tfds.core.GeneratorBasedBuilder, skip_registration=True):
  """105,829 recordings of 35 words, of a second each (arXiv 1804.03209).

  The splits are those of the two lists in the archive, which keep speakers
  apart. The classes are all words, where the TFDS dataset of this name has ten
  of them, silence and the rest; its test set needs a second archive. Background
  noise, which is no word, is left out.
  """

  # Above that of TFDS, whose labels are others.
  VERSION = tfds.core.Version("1.0.0")
  RELEASE_NOTES = {"1.0.0": "All 35 words of v0.02."}
  MANUAL_DOWNLOAD_INSTRUCTIONS = f"""\
Unpack speech_commands_v0.02.tar.gz into the folder {FOLDER} of the manual
directory. The archive is at
http://download.tensorflow.org/data/speech_commands_v0.02.tar.gz.
"""

  def _info(self) -> tfds.core.DatasetInfo:
    # As bytes: of every negative sample TFDS would else store ten.
    audio = tfds.features.Tensor(
        shape=(None,), dtype=np.int16, encoding="bytes"
    )
    return self.dataset_info_from_configs(
        description="Speech Commands v0.02: spoken words, at 16 kHz.",
        homepage="https://arxiv.org/abs/1804.03209",
        features=tfds.features.FeaturesDict({
            "audio": audio,
            "audio/filename": tfds.features.Text(),
            "label": tfds.features.ClassLabel(names=WORDS),
        }),
        supervised_keys=("audio", "label"),
    )

  def _split_generators(self, dl_manager):
    root = pathlib.Path(dl_manager.manual_dir) / FOLDER
    lacking = [n for n in _LISTS.values() if not (root / n).is_file()]
    if lacking:
      raise ValueError(f"{root} does not hold {', '.join(lacking)}")
    lists = {k: (root / v).read_text().split() for k, v in _LISTS.items()}
    paths = (root / word for word in WORDS)
    every = {f"{p.name}/{f.name}" for p in paths for f in p.glob("*.wav")}
    lists["train"] = every.difference(*lists.values())
    return {k: self._generate_examples(root, v) for k, v in lists.items()}

  def _generate_examples(self, root, names):
    for name in sorted(names):
      word, file = name.split("/")
      samples = wav_files.read_at(RATE, root / name)
      yield name, {"audio": samples, "audio/filename": file, "label": word}

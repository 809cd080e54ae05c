"""Letter, Spambase and Abalone as TFDS datasets, from the files of UCI.

The archives are at https://archive.ics.uci.edu; each holds one file of rows that
are split by commas, without a header.
"""

import csv
import pathlib
import string

import numpy as np
import tensorflow_datasets as tfds

_MOMENTS = (
    "x-box", "y-box", "width", "high", "onpix", "x-bar", "y-bar", "x2bar", "y2bar",
    "xybar", "x2ybr", "xy2br", "x-ege", "xegvy", "y-ege", "yegvx",
)
_LENGTHS = (
    "length", "diameter", "height", "whole_weight", "shucked_weight",
    "viscera_weight", "shell_weight",
)
# The last number of rings of the first two classes of age.
_AGES = (8, 10)


class _UciTable(tfds.core.GeneratorBasedBuilder, skip_registration=True):
  """Rows of one file, `FILE`, in the manual directory."""

  VERSION = tfds.core.Version("1.0.0")
  RELEASE_NOTES = {"1.0.0": "First version."}
  FILE = ""
  COLUMNS = 0  # Of the file, with the label.

  def _split_generators(self, dl_manager):
    path = pathlib.Path(dl_manager.manual_dir) / self.FILE
    if not path.is_file():
      raise ValueError(f"there is no {path}")
    return {split: self._generate_examples(path, split == "test")
            for split in ("train", "test")}

  def _generate_examples(self, path, test):
    with open(path, newline="", encoding="utf-8") as file:
      rows = filter(None, csv.reader(file))
      for number, row in enumerate(rows):
        if len(row) != self.COLUMNS:
          raise ValueError(
              f"{path}: row {number + 1} must have {self.COLUMNS} columns, got"
              f" {len(row)}"
          )
        if self._is_test(number) == test:
          yield number, self._example(row)

  def _is_test(self, number: int) -> bool:
    """Whether a row, numbered from 0, is one of the test."""
    raise NotImplementedError

  def _example(self, row: list[str]) -> dict[str, object]:
    """The features of a row."""
    raise NotImplementedError


def _instructions(number, name, file):
  return f"""\
Put {file} into the manual directory. It is in the archive at
https://archive.ics.uci.edu/static/public/{number}/{name}.zip.
"""


class Letter(_UciTable, skip_registration=True):
  """20,000 images of capital letters as 16 integers each; 26 classes.

  The first 16,000 rows are for training, as the documentation of the file says.
  """

  FILE = "letter-recognition.data"
  COLUMNS = 17
  MANUAL_DOWNLOAD_INSTRUCTIONS = _instructions(59, "letter+recognition", FILE)

  def _info(self):
    label = tfds.features.ClassLabel(names=list(string.ascii_uppercase))
    return _info(self, "Letter recognition (UCI).", _MOMENTS, label)

  def _is_test(self, number):
    return number >= 16_000

  def _example(self, row):
    return {"features": np.float32(row[1:]), "label": row[0]}


class Spambase(_UciTable, skip_registration=True):
  """4,601 e-mails, spam or not, as 57 frequencies and lengths each.

  No split is published: every fifth row, from the fifth on, is one of the test.
  """

  FILE = "spambase.data"
  COLUMNS = 58
  MANUAL_DOWNLOAD_INSTRUCTIONS = _instructions(94, "spambase", FILE)

  def _info(self):
    words = [f"word_freq_{i}" for i in range(48)]
    signs = [f"char_freq_{i}" for i in range(6)]
    runs = [f"capital_run_length_{k}" for k in ("average", "longest", "total")]
    label = tfds.features.ClassLabel(names=["not_spam", "spam"])
    return _info(self, "Spambase (UCI).", (*words, *signs, *runs), label)

  def _is_test(self, number):
    return number % 5 == 4

  def _example(self, row):
    return {"features": np.float32(row[:-1]), "label": int(row[-1])}


class Abalone(_UciTable, skip_registration=True):
  """4,177 abalones, their sex and seven measurements; three classes of age.

  The classes are up to 8 rings, 9 and 10, and more. The first 3,133 rows are for
  training, as the documentation of the file says.
  """

  FILE = "abalone.data"
  COLUMNS = 9
  MANUAL_DOWNLOAD_INSTRUCTIONS = _instructions(1, "abalone", FILE)

  def _info(self):
    columns = ("sex", *_LENGTHS)
    return self.dataset_info_from_configs(
        description="Abalone (UCI), three classes of age.",
        features=tfds.features.FeaturesDict({
            "sex": tfds.features.ClassLabel(names=["M", "F", "I"]),
            **dict.fromkeys(_LENGTHS, tfds.features.Scalar(np.float32)),
            "rings": tfds.features.Scalar(np.int32),
            "label": tfds.features.ClassLabel(names=["1-8", "9-10", "11-29"]),
        }),
        supervised_keys=({column: column for column in columns}, "label"),
    )

  def _is_test(self, number):
    return number >= 3_133

  def _example(self, row):
    sex, *lengths, rings = row
    return {
        "sex": sex, **dict(zip(_LENGTHS, map(float, lengths))),
        "rings": int(rings), "label": int(np.searchsorted(_AGES, int(rings))),
    }


def _info(builder, description, columns, label):
  return builder.dataset_info_from_configs(
      description=description,
      features=tfds.features.FeaturesDict({
          "features": tfds.features.Tensor(
              shape=(len(columns),), dtype=np.float32, doc=", ".join(columns)
          ),
          "label": label,
      }),
      supervised_keys=("features", "label"),
  )

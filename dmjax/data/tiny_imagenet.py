"""Tiny-ImageNet-200 as a TFDS dataset, from the archive its authors publish."""

import pathlib
import zipfile

import tensorflow_datasets as tfds

ARCHIVE = "tiny-imagenet-200.zip"
FOLDER = "tiny-imagenet-200"


class TinyImagenet(tfds.core.GeneratorBasedBuilder):
  """100,000 training and 10,000 validation images of 64x64 px, 200 classes.

  Classes are WordNet ids, in the order of `wnids.txt`; the published test split
  has no labels and is left out. JPEG bytes are stored as they are.
  """

  VERSION = tfds.core.Version("1.0.0")
  RELEASE_NOTES = {"1.0.0": "First version."}
  MANUAL_DOWNLOAD_INSTRUCTIONS = f"""\
Put {ARCHIVE}, or the folder {FOLDER} inside it, into the manual directory. The
archive is at http://cs231n.stanford.edu/{ARCHIVE}.
"""

  def _info(self) -> tfds.core.DatasetInfo:
    return self.dataset_info_from_configs(
        description="Tiny-ImageNet-200: a part of ImageNet at 64x64 pixels.",
        homepage="http://cs231n.stanford.edu/",
        features=tfds.features.FeaturesDict({
            "image": tfds.features.Image(
                shape=(None, None, 3), encoding_format="jpeg"
            ),
            "label": tfds.features.ClassLabel(num_classes=200),
        }),
        supervised_keys=("image", "label"),
    )

  def _split_generators(self, dl_manager):
    root = _open_root(pathlib.Path(dl_manager.manual_dir))
    names = (root / "wnids.txt").read_text().split()
    self.info.features["label"].names = names
    return {
        "train": self._generate_examples(_train_files(root)),
        "validation": self._generate_examples(_validation_files(root)),
    }

  def _generate_examples(self, files):
    for path, label in files:
      yield path.name, {"image": path.read_bytes(), "label": label}


def _open_root(manual):
  """The folder of the dataset, on disk or inside the archive."""
  if (manual / FOLDER).is_dir():
    return manual / FOLDER
  if (manual / ARCHIVE).is_file():
    return zipfile.Path(manual / ARCHIVE, f"{FOLDER}/")
  raise ValueError(f"{manual} holds neither {ARCHIVE} nor the folder {FOLDER}")


def _train_files(root):
  for name in (root / "wnids.txt").read_text().split():
    images = (root / "train" / name / "images").iterdir()
    for path in sorted(images, key=lambda path: path.name):
      yield path, name


def _validation_files(root):
  """Rows of `val_annotations.txt`: the file, its class, a box."""
  lines = (root / "val" / "val_annotations.txt").read_text().splitlines()
  for line in lines:
    file, name = line.split("\t")[:2]
    yield root / "val" / "images" / file, name

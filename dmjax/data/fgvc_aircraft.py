"""FGVC-Aircraft as a TFDS dataset, from the archive its authors publish."""

import pathlib

import tensorflow_datasets as tfds

FOLDER = "fgvc-aircraft-2013b"


class FgvcAircraft(tfds.core.GeneratorBasedBuilder):
  """6,667 training and 3,333 test images of 100 variants (arXiv 1306.5151).

  The training split is the published `trainval`. JPEG bytes are stored as they
  are, with the line of 20 pixels that names the photographer.
  """

  VERSION = tfds.core.Version("1.0.0")
  RELEASE_NOTES = {"1.0.0": "First version."}
  MANUAL_DOWNLOAD_INSTRUCTIONS = f"""\
Unpack {FOLDER}.tar.gz into the manual directory. The archive is at
https://www.robots.ox.ac.uk/~vgg/data/fgvc-aircraft/.
"""

  def _info(self) -> tfds.core.DatasetInfo:
    return self.dataset_info_from_configs(
        description="FGVC-Aircraft: photographs of 100 variants of aircraft.",
        homepage="https://www.robots.ox.ac.uk/~vgg/data/fgvc-aircraft/",
        features=tfds.features.FeaturesDict({
            "image": tfds.features.Image(
                shape=(None, None, 3), encoding_format="jpeg"
            ),
            "label": tfds.features.ClassLabel(num_classes=100),
        }),
        supervised_keys=("image", "label"),
    )

  def _split_generators(self, dl_manager):
    data = pathlib.Path(dl_manager.manual_dir) / FOLDER / "data"
    if not data.is_dir():
      raise ValueError(f"{data.parent.parent} does not hold {FOLDER}/data")
    names = (data / "variants.txt").read_text().splitlines()
    self.info.features["label"].names = [name for name in names if name]
    return {
        "train": self._generate_examples(data, "trainval"),
        "test": self._generate_examples(data, "test"),
    }

  def _generate_examples(self, data, part):
    rows = (data / f"images_variant_{part}.txt").read_text().splitlines()
    for row in rows:
      number, variant = row.split(" ", 1)
      image = (data / "images" / f"{number}.jpg").read_bytes()
      yield number, {"image": image, "label": variant}

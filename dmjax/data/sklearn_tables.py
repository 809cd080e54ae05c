"""Tables of scikit-learn as TFDS datasets: nothing to download."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow_datasets as tfds


class Wine(tfds.core.GeneratorBasedBuilder):
  """178 wines of three growers, 13 measurements each (UCI).

  Every fifth row of each class, from its first on, is held out for test: 37 of
  the 178.
  """

  VERSION = tfds.core.Version("1.0.0")
  RELEASE_NOTES = {"1.0.0": "First version."}

  def _info(self) -> tfds.core.DatasetInfo:
    return _info(self, "Chemical analyses of wine (UCI).", _load("wine"))

  def _split_generators(self, dl_manager):
    del dl_manager
    return _splits(self._generate_examples)

  def _generate_examples(self, test):
    yield from _rows(_load("wine"), test)


class BreastCancer(tfds.core.GeneratorBasedBuilder):
  """569 tumours, malignant or benign, 30 measurements each (UCI, Wisconsin).

  Every fifth row of each class, from its first on, is held out for test: 115 of
  the 569.
  """

  VERSION = tfds.core.Version("1.0.0")
  RELEASE_NOTES = {"1.0.0": "First version."}

  def _info(self) -> tfds.core.DatasetInfo:
    about = "Nuclei of breast tumours (UCI, Wisconsin diagnostic)."
    return _info(self, about, _load("breast_cancer"))

  def _split_generators(self, dl_manager):
    del dl_manager
    return _splits(self._generate_examples)

  def _generate_examples(self, test):
    yield from _rows(_load("breast_cancer"), test)


def _info(builder, description, table):
  return builder.dataset_info_from_configs(
      description=description,
      features=tfds.features.FeaturesDict({
          "features": tfds.features.Tensor(
              shape=(table.data.shape[1],), dtype=np.float32,
              doc=", ".join(table.feature_names),
          ),
          "label": tfds.features.ClassLabel(
              names=[str(name) for name in table.target_names]
          ),
      }),
      supervised_keys=("features", "label"),
  )


def _splits(examples: Callable[[bool], Any]) -> dict[str, Any]:
  return {"train": examples(False), "test": examples(True)}


def _rows(table, test):
  """Those of a split: every class has the same share in either."""
  classes = range(len(table.target_names))
  held = np.concatenate(
      [np.flatnonzero(table.target == label)[::5] for label in classes]
  )
  for row, label in enumerate(table.target):
    if (row in held) == test:
      features = table.data[row].astype(np.float32)
      yield row, {"features": features, "label": int(label)}


def _load(name):
  # Where it is used: scikit-learn takes half a second to import.
  from sklearn import datasets  # pylint: disable=g-import-not-at-top

  return getattr(datasets, f"load_{name}")()

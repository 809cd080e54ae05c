"""The sets of `experiments.mixupe`, and the rows that a seed draws of them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from dmjax.data import base
from dmjax.data import derived
from dmjax.data import labels

_SPEAKERS = ("george", "jackson", "nicolas", "theo", "yweweler")


class Set(NamedTuple):
  """A set, and how it is trained on.

  Attributes:
    words: Of the recipe, without a mixer.
    steps: Length of training.
    rows: Of the training rows, drawn by the seed; 0 for all.
    noise: Share of the training labels that are replaced by another class.
    seeds: How many.
    mixer: The mixer of all variants but ERM.
    stage: Where the derivation's form takes the derivative.
    changes: To the configuration.
    speakers: Whether a seed leaves out a speaker, for the test.
    validation: A split to choose settings on; a fifth of the training rows if
      empty.
    settings: The set whose settings are taken; its own if empty.
  """

  words: str
  steps: int
  rows: int = 0
  noise: float = 0.0
  seeds: int = 10
  mixer: str = "mixup"
  stage: int = 0
  changes: Mapping[str, Any] = {}
  speakers: bool = False
  validation: str = ""
  settings: str = ""

  def changes_of(self, seed: int) -> dict[str, Any]:
    """What a seed changes in the configuration."""
    if not self.speakers:
      return {}
    speaker = _SPEAKERS[seed % len(_SPEAKERS)]
    return {
        "data.train": f"all[speaker!={speaker}]",
        "data.test": f"all[speaker={speaker}]",
    }


def _table(words, steps, rows=0, batch_size=50, width=128, **options):
  changes = {
      "batch_size": batch_size, "model.widths": (width, width),
      "steps_per_call": 20,
  }
  return Set(words, steps, rows, changes=changes, **options)


_SOUND = {"steps_per_call": 1, "batch_size": 50}

SETS: Mapping[str, Set] = {
    "wine": _table("wine:mlp", 700, batch_size=16),
    "breast cancer": _table("breast_cancer:mlp", 1400, batch_size=16),
    "abalone": _table("abalone:mlp", 2480),
    "letter, 2,000 rows": _table("letter:mlp", 6000, 2000, width=256),
    "letter, 2,000 rows, 40 % of labels wrong": _table(
        "letter:mlp", 6000, 2000, width=256, noise=0.4
    ),
    "spambase, 300 rows": _table("spambase:mlp", 1080, 300, batch_size=16),
    "spambase": _table("spambase:mlp", 2300, batch_size=16),
    "Cora": Set(
        "cora:gcn", 200, mixer="manifold_mixup", stage=1,
        changes={"steps_per_call": 20}, validation="validation",
    ),
    "spoken digits, 250": Set(
        "spoken_digit:temporal_cnn", 300, seeds=5, changes=_SOUND | {
            "data.train": "train[recording<10]",
        }, validation="train[10<=recording<15]",
    ),
    "spoken digits, by speaker": Set(
        "spoken_digit:temporal_cnn", 200, seeds=5, changes=_SOUND,
        speakers=True, settings="spoken digits, 250",
    ),
    "digits, 100": Set(
        "digits:resnet8", 400, 100,
        changes={"batch_size": 50, "steps_per_call": 1},
    ),
}


def rows_of_seed(
    chosen: Set, opened: Mapping[str, base.Source], seed: int, held_out: bool
) -> dict[str, base.Source]:
  """The training rows that a seed draws, and the test rows.

  Args:
    chosen: The set.
    opened: Its sources `train` and `test`.
    seed: The seed.
    held_out: Take a fifth of the training rows, the same for all seeds, for the
      test, and draw from the others.

  Returns:
    The sources.
  """
  train, test = opened["train"], opened["test"]
  rows = np.arange(train.size)
  if held_out:
    order = np.random.default_rng(0).permutation(rows)
    rows, validation = np.split(order, [4 * train.size // 5])
    test = derived.subset(train, validation)
  if chosen.rows:
    rows = np.random.default_rng((seed, 1)).permutation(rows)[: chosen.rows]
  if held_out or chosen.rows:
    train = derived.subset(train, rows)
  if chosen.noise:
    train = labels.with_noise(train, chosen.noise, seed)
  return {"train": train, "test": test}

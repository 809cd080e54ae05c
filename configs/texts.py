"""Texts: sentences as tokens, and mixers of what the network makes of them.

The files of the sets share what is here. Texts of one's own are a folder with
`train.tsv` and `test.tsv`, `text<TAB>label` on every line:

    dmjax train --config sst2:text_transformer,sentencemixup,dm \\
        --config.data.name=./mine --config.data.test=test --workdir runs/mine

Word mixup and sentence mixup (arXiv 1905.08941) are mixup of the vectors of the
words and of the sentence. Mixup-Transformer (arXiv 2010.02394) is the latter in
the second half of training alone. DoubleMix (arXiv 2209.05297) leaves labels as
they are, and goes together with any of them:

    dmjax train --config sst2:text_transformer,doublemix --workdir runs/a
    dmjax train --config sst2:text_cnn,wordmixup,doublemix,dm --workdir runs/b
"""

from typing import Any

import ml_collections

from dmjax.configs import plain
from dmjax.configs import sections
from dmjax.configs import table

MIXERS = ("wordmixup", "sentencemixup", "mixup_transformer")
NOTES = plain.NOTES | {
    "mixup_transformer": (
        "our reading of Mixup-Transformer: its abstract alone was at hand"
    ),
    "doublemix": (
        "settings are the authors' but for the stages; texts are perturbed by"
        " EDA without a thesaurus, published with translations too"
    ),
}
# The stages of the networks: vectors of words, blocks, the sentence.
_LAST = {"text_cnn": 1, "text_transformer": 3}
_MIDDLE = {"text_cnn": (1,), "text_transformer": (1, 2)}


def suite(
    name: str, *, batch_size: int, epochs: int, vocabulary: int,
    max_length: int, **data: Any,
) -> table.Suite:
  """The recipes of a set of texts, Adam with a cosine.

  Args:
    name: Of the set.
    batch_size: Sentences of a step.
    epochs: Length of training.
    vocabulary: Tokens that are known.
    max_length: Of a sentence, in tokens.
    **data: Changes to the `data` section.

  Returns:
    The recipes; nothing is published of them.
  """
  text = {"vocabulary": vocabulary, "max_length": max_length}
  networks = {
      network: _recipe(network, batch_size, vocabulary) for network in _LAST
  }
  top1 = dict.fromkeys(("identity", *MIXERS), ())
  return table.Suite(name, {"name": name, "text": text, **plain.DATA, **data}, (
      table.Table(networks, (epochs,), top1, source="", notes=NOTES),
  ))


def _recipe(network, batch_size, vocabulary):
  word = sections.one("manifold_mixup", 1.0, stages=(0,))
  sentence = word | {"stages": (_LAST[network],)}
  return table.Recipe(
      batch_size=batch_size, optimizer=plain.adam(1e-3), loss=sections.CE,
      mixes=dict(zip(MIXERS, (word, sentence, sentence))),
      changes={"mixup_transformer": {"method.start": "50 %"}},
      methods={"doublemix": {"method.stages": _MIDDLE[network]}},
      alone=("doublemix",), model={"vocabulary": vocabulary},
  )


def get_config(suite_: table.Suite, arg: str) -> ml_collections.ConfigDict:
  """The configuration of words such as `text_cnn,wordmixup,dm`."""
  return plain.get_config(suite_, arg, mock="mock/text", test_mix="identity")

"""TREC: 5,452 questions for training, by what they ask for, six classes.

    dmjax prepare trec
    dmjax train --config trec:text_cnn,wordmixup,dm --workdir runs/a
    dmjax train --config trec:text_transformer,doublemix --workdir runs/b

Preparing needs TensorFlow, once. With `--config.data.text.label=label-fine`
there are 47 classes. See `configs/texts.py`.
"""

import ml_collections

from dmjax.configs import texts

SUITE = texts.suite(
    "trec", batch_size=32, epochs=10, vocabulary=5000, max_length=24,
    train="train", test="test",
)


def get_config(arg: str) -> ml_collections.ConfigDict:
  """The configuration of words such as `text_cnn,wordmixup,dm`."""
  return texts.get_config(SUITE, arg)

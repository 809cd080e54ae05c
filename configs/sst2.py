"""SST-2: sentences of film reviews, 6,920 for training, good or bad.

    dmjax prepare sst2
    dmjax train --config sst2:text_cnn,wordmixup,dm --workdir runs/a
    dmjax train --config sst2:text_transformer,doublemix --workdir runs/b

The sentences with their labels alone. GLUE's set has phrases too, and test
labels that nobody knows: `--config.data.name=glue/sst2
--config.data.test=validation`. See `configs/texts.py`.
"""

import ml_collections

from dmjax.configs import texts

SUITE = texts.suite(
    "sst2", batch_size=32, epochs=10, vocabulary=5000, max_length=40,
    train="train", test="test",
)


def get_config(arg: str) -> ml_collections.ConfigDict:
  """The configuration of words such as `text_cnn,wordmixup,dm`."""
  return texts.get_config(SUITE, arg)

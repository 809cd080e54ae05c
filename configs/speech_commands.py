"""Speech commands: a second of 16 kHz each.

    dmjax prepare speech_commands
    dmjax train --config speech_commands:resnet18,mixup,dm --workdir runs/a
    dmjax train --config speech_commands:resnet18,mixupe --workdir runs/b

Speakers of the test are not among those of training. See `configs/sounds.py`.
"""

import ml_collections

from dmjax.configs import sounds

SUITE = sounds.suite(
    "speech_commands", batch_size=100, epochs=30, train="train", test="test",
    sound={"shift": 0.1},
)


def get_config(arg: str) -> ml_collections.ConfigDict:
  """The configuration of words such as `resnet18,mixup,dm`."""
  return sounds.get_config(SUITE, arg)

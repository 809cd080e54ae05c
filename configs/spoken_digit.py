"""Free spoken digits: 2,500 recordings, 5 speakers, 8 kHz.

    dmjax prepare spoken_digit
    dmjax train --config spoken_digit:temporal_cnn,mixup,dm --workdir runs/a
    dmjax train --config spoken_digit:resnet8,cutmix,dm --workdir runs/b
    dmjax train --config spoken_digit:temporal_cnn,mixupe --workdir runs/c \\
        --config.data.train='all[speaker!=george]' \\
        --config.data.test='all[speaker=george]'

Speakers are domains, for FIX and FIXED; here one is left out:

    dmjax train --config spoken_digit:temporal_cnn,fixed --workdir runs/d \\
        --config.data.train=all --config.data.test=all \\
        --config.data.leave_out=george

The split is that of the authors: recordings 0 to 4 of each speaker and digit are
the test. See `configs/sounds.py`.
"""

import ml_collections

from dmjax.configs import domains
from dmjax.configs import sounds

SUITE = sounds.suite(
    "spoken_digit", batch_size=50, epochs=20, train="train", test="test",
    methods=domains.METHODS, sound={"seconds": 0.64},
)


def get_config(arg: str) -> ml_collections.ConfigDict:
  """The configuration of words such as `temporal_cnn,mixup,dm`."""
  return sounds.get_config(SUITE, arg)

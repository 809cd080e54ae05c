"""Who speaks: the free spoken digits by speaker, for speaker verification.

    dmjax prepare spoken_digit
    dmjax train --config spoken_digit_speakers:temporal_cnn,contrastive_mixup \\
        --workdir runs/a
    dmjax probe --workdir runs/a --probes verification \\
        --trials 'test[speaker!=george,speaker!=jackson,speaker!=nicolas]'
    dmjax train --workdir runs/b \\
        --config spoken_digit_speakers:temporal_cnn,cutmix,contrastive_mixup,dm

The classes are three of the five speakers. Training evaluates on recordings of
these that it has not seen; the probe, on all pairs of recordings of the other
two, whom it has never heard. Batches hold ten recordings of each of the three.
Other forms of the loss, and no mixing at all:

    --config.method.kind=ge2e             --config.method.kind=am_softmax
    --config.mix.name=identity

Recordings of one's own need names that hold the speaker:

    --config.data.name=./mine --config.data.train=train --config.data.test=test \\
        --config.data.sound.names='{speaker}_{take}.wav'
"""

import ml_collections

from dmjax.configs import plain
from dmjax.configs import sections
from dmjax.configs import table

_SEEN = "speaker!=theo,speaker!=yweweler"
_METHODS = {"contrastive_mixup": {"data.per_class": 10}}
_MIXES = {
    "mixup": 1.0,
    # A segment of time, through all bands.
    "cutmix": sections.one("cutmix", 1.0, axes="width"),
}
_RECIPE = table.Recipe(
    batch_size=30, optimizer=plain.adam(2e-3, 1e-4), loss=sections.CE,
    mixes=_MIXES, methods=_METHODS,
)
_DATA = {
    "name": "spoken_digit", "train": f"train[{_SEEN}]",
    "test": f"test[{_SEEN}]", "sound": {"seconds": 0.64, "label": "speaker"},
}
SUITE = table.Suite("spoken_digit_speakers", {**plain.DATA, **_DATA}, (
    table.Table(
        {"temporal_cnn": _RECIPE}, (10,),
        dict.fromkeys(("identity", *_MIXES), ()), source="",
    ),
))


def get_config(arg: str) -> ml_collections.ConfigDict:
  """The configuration of words such as `temporal_cnn,contrastive_mixup`."""
  config = plain.get_config(SUITE, arg, mock="mock/sound")
  if config.data.name != SUITE.data["name"]:  # The smoke: few rows of ten tones.
    config.data.per_class = min(config.data.per_class, 2)
    config.data.sound.label, config.batch_size = "", 16
  return config

"""SVHN: semi-supervised training with 40, 250 and 1000 labels.

    dmjax train --config svhn:fixmatch,250 --workdir runs/a
    dmjax train --config svhn:mixmatch,1000,mixup,dm --workdir runs/b

Digits are not flipped. See `configs/semi.py`.
"""

import ml_collections

from dmjax.configs import build
from dmjax.configs import semi
from dmjax.configs import table

DATA = {
    "name": "svhn_cropped", "train": "train", "test": "test", "flip": False,
    "mean": (0.4377, 0.4438, 0.4728), "std": (0.1980, 0.2010, 0.1970),
}

_LABELS = {
    "40": "4 per class", "250": "25 per class", "1000": "100 per class",
}
_TOP1 = {
    "mixmatch": (69.40, 95.44, 96.31),
    "remixmatch": (75.96, 93.64, 94.84),
    "fixmatch": (96.19, 97.98, 98.04),
    "flexmatch": (91.81, 93.41, 93.28),
    "supervised": (), "pseudo_label": (), "freematch": (), "softmatch": (),
    "ict": (),
}

SUITE = table.Suite(
    "svhn", DATA, semi.tables({"name": "wide_resnet28_2"}, _TOP1, _LABELS)
)


def get_config(arg: str) -> ml_collections.ConfigDict:
  """The configuration of words such as `fixmatch,250`."""
  return build.get_config(SUITE, arg)

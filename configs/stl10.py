"""STL-10: semi-supervised training with its 100,000 unlabelled images.

    dmjax train --config stl10:fixmatch,1000 --workdir runs/a
    dmjax train --config stl10:flexmatch,1000,cutmix,dm --workdir runs/b

See `configs/semi.py`. Labels are drawn evenly over the classes; published are
fixed folds of 1000, and a Wide ResNet of 37 layers.
"""

import ml_collections

from dmjax.configs import build
from dmjax.configs import semi
from dmjax.configs import table

DATA = {
    "name": "stl10", "train": "train", "test": "test", "crop_padding": 12,
    "mean": (0.4467, 0.4398, 0.4066), "std": (0.2603, 0.2566, 0.2713),
}

_LABELS = {
    "40": "4 per class", "250": "25 per class", "1000": "100 per class",
}
_TOP1 = {
    "mixmatch": (45.07, 65.48, 78.30),
    "remixmatch": (67.88, 87.51, 93.26),
    "fixmatch": (64.03, 90.19, 93.75),
    "flexmatch": (70.85, 91.77, 94.23),
    "supervised": (), "pseudo_label": (), "freematch": (), "softmatch": (),
    "ict": (),
}
_NOTES = dict.fromkeys(
    ("mixmatch", "remixmatch", "fixmatch", "flexmatch"),
    "published with WRN-37-2, here WRN-28-2",
)

SUITE = table.Suite("stl10", DATA, semi.tables(
    {"name": "wide_resnet28_2"}, _TOP1, _LABELS, unlabelled="unlabelled",
    notes=_NOTES,
))


def get_config(arg: str) -> ml_collections.ConfigDict:
  """The configuration of words such as `fixmatch,250`."""
  return build.get_config(SUITE, arg)

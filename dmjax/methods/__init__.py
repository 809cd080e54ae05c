"""Training methods: what is optimised, as pure functions of one TrainState.

`METHODS` holds, by the name a configuration gives it, how a run makes a method:
`make(parts, **options) -> Method`.
"""

from dmjax.methods import automix as _automix
from dmjax.methods import fixmatch as _fixmatch
from dmjax.methods import ict as _ict
from dmjax.methods import mixmatch as _mixmatch
from dmjax.methods import mixupe as _mixupe
from dmjax.methods import pseudo_label as _pseudo_label
from dmjax.methods import regmixup as _regmixup
from dmjax.methods import remixmatch as _remixmatch
from dmjax.methods import self_tuning as _self_tuning
from dmjax.methods import supervised as _supervised
from dmjax.methods.automix import automix
from dmjax.methods.base import Aux
from dmjax.methods.base import Method
from dmjax.methods.base import Parts
from dmjax.methods.base import TrainState
from dmjax.methods.fixmatch import fixmatch
from dmjax.methods.ict import ict
from dmjax.methods.learned import as_mixer
from dmjax.methods.learned import Learned
from dmjax.methods.mixmatch import mixmatch
from dmjax.methods.mixupe import mixupe
from dmjax.methods.pseudo_label import pseudo_label
from dmjax.methods.regmixup import regmixup
from dmjax.methods.remixmatch import remixmatch
from dmjax.methods.self_tuning import self_tuning
from dmjax.methods.supervised import supervised

METHODS = {
    "automix": _automix.make,
    "fixmatch": _fixmatch.make,
    "ict": _ict.make,
    "mixmatch": _mixmatch.make,
    "mixupe": _mixupe.make,
    "pseudo_label": _pseudo_label.make,
    "regmixup": _regmixup.make,
    "remixmatch": _remixmatch.make,
    "self_tuning": _self_tuning.make,
    "supervised": _supervised.make,
}

__all__ = (
    "Aux",
    "Learned",
    "METHODS",
    "Method",
    "Parts",
    "TrainState",
    "as_mixer",
    "automix",
    "fixmatch",
    "ict",
    "mixmatch",
    "mixupe",
    "pseudo_label",
    "regmixup",
    "remixmatch",
    "self_tuning",
    "supervised",
)

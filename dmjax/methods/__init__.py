"""Training methods: what is optimised, as pure functions of one TrainState.

`METHODS` holds, by the name a configuration gives it, how a run makes a method:
`make(parts, **options) -> Method`.
"""

from dmjax.methods import automix as _automix
from dmjax.methods import fixmatch as _fixmatch
from dmjax.methods import regmixup as _regmixup
from dmjax.methods import supervised as _supervised
from dmjax.methods.automix import automix
from dmjax.methods.base import Aux
from dmjax.methods.base import Method
from dmjax.methods.base import Parts
from dmjax.methods.base import TrainState
from dmjax.methods.fixmatch import fixmatch
from dmjax.methods.learned import as_mixer
from dmjax.methods.learned import Learned
from dmjax.methods.regmixup import regmixup
from dmjax.methods.supervised import supervised

METHODS = {
    "automix": _automix.make,
    "fixmatch": _fixmatch.make,
    "regmixup": _regmixup.make,
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
    "regmixup",
    "supervised",
)

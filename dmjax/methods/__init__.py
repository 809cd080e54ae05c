"""Training methods: what is optimised, as pure functions of one TrainState.

`METHODS` holds, by the name a configuration gives it, how a run makes a method:
`make(parts, **options) -> Method`. `WRAPPERS` holds what makes of any of them
another one.
"""

from dmjax.methods import adautomix as _adautomix
from dmjax.methods import augmix as _augmix
from dmjax.methods import automix as _automix
from dmjax.methods import contrastive_mixup as _contrastive_mixup
from dmjax.methods import doublemix as _doublemix
from dmjax.methods import fixed as _fixed
from dmjax.methods import fixmatch as _fixmatch
from dmjax.methods import ict as _ict
from dmjax.methods import mixmatch as _mixmatch
from dmjax.methods import mixupe as _mixupe
from dmjax.methods import pseudo_label as _pseudo_label
from dmjax.methods import recursivemix as _recursivemix
from dmjax.methods import regmixup as _regmixup
from dmjax.methods import remixmatch as _remixmatch
from dmjax.methods import self_tuning as _self_tuning
from dmjax.methods import sharpness as _sharpness
from dmjax.methods import stackmix as _stackmix
from dmjax.methods import sumix as _sumix
from dmjax.methods import supervised as _supervised
from dmjax.methods import transformmix as _transformmix
from dmjax.methods.adautomix import adautomix
from dmjax.methods.augmix import augmix
from dmjax.methods.automix import automix
from dmjax.methods.base import Aux
from dmjax.methods.base import Method
from dmjax.methods.base import Parts
from dmjax.methods.base import TrainState
from dmjax.methods.contrastive_mixup import contrastive_mixup
from dmjax.methods.doublemix import doublemix
from dmjax.methods.fixed import fixed
from dmjax.methods.fixmatch import fixmatch
from dmjax.methods.ict import ict
from dmjax.methods.learned import as_mixer
from dmjax.methods.learned import Learned
from dmjax.methods.mixmatch import mixmatch
from dmjax.methods.mixupe import mixupe
from dmjax.methods.pseudo_label import pseudo_label
from dmjax.methods.recursivemix import recursivemix
from dmjax.methods.regmixup import regmixup
from dmjax.methods.remixmatch import remixmatch
from dmjax.methods.self_tuning import self_tuning
from dmjax.methods.sharpness import sharpness_aware
from dmjax.methods.stackmix import stackmix
from dmjax.methods.sumix import sumix
from dmjax.methods.supervised import supervised
from dmjax.methods.transformmix import transformmix

METHODS = {
    "adautomix": _adautomix.make,
    "augmix": _augmix.make,
    "automix": _automix.make,
    "contrastive_mixup": _contrastive_mixup.make,
    "fix": _fixed.make_fix,
    "fixed": _fixed.make,
    "doublemix": _doublemix.make,
    "fixmatch": _fixmatch.make,
    "ict": _ict.make,
    "mixmatch": _mixmatch.make,
    "mixupe": _mixupe.make,
    "pseudo_label": _pseudo_label.make,
    "recursivemix": _recursivemix.make,
    "regmixup": _regmixup.make,
    "remixmatch": _remixmatch.make,
    "self_tuning": _self_tuning.make,
    "stackmix": _stackmix.make,
    "sumix": _sumix.make,
    "supervised": _supervised.make,
    "transformmix": _transformmix.make,
}
# What is laid around a method: `wrapper(method, *, axis_name, ...) -> Method`.
WRAPPERS = {"none": _sharpness.plain, "sam": _sharpness.sharpness_aware}

__all__ = (
    "Aux",
    "Learned",
    "METHODS",
    "Method",
    "Parts",
    "TrainState",
    "WRAPPERS",
    "adautomix",
    "as_mixer",
    "augmix",
    "automix",
    "contrastive_mixup",
    "fixed",
    "doublemix",
    "fixmatch",
    "ict",
    "mixmatch",
    "mixupe",
    "pseudo_label",
    "recursivemix",
    "regmixup",
    "remixmatch",
    "self_tuning",
    "sharpness_aware",
    "stackmix",
    "sumix",
    "supervised",
    "transformmix",
)

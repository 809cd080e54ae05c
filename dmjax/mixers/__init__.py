"""Mixers: pure functions `mixer(key, x, *, option=..., ...) -> Mixed`.

The key comes first and options are keyword-only; configure a mixer with
`functools.partial`. Mixers never see labels: `labels[mixed.sources]` are those
of the mixed batch. Partners are drawn inside the batch they are given, so under
`pmap` or `shard_map` mixing costs no communication. The package depends on JAX
alone.
"""

from dmjax.mixers._align import alignmix
from dmjax.mixers._blends import identity
from dmjax.mixers._blends import mixup
from dmjax.mixers._boxes import cutmix
from dmjax.mixers._combinators import choose
from dmjax.mixers._combinators import options_of
from dmjax.mixers._combinators import sometimes
from dmjax.mixers._comixup import comixup
from dmjax.mixers._core import Mixed
from dmjax.mixers._grids import grid_labels
from dmjax.mixers._puzzle import puzzlemix

# The mixers by the name a configuration gives them. Combinators are not in it:
# they need mixers, not only options.
MIXERS = {
    mixer.__name__: mixer
    for mixer in (
        identity,
        mixup,
        cutmix,
        alignmix,
        comixup,
        puzzlemix,
    )
}

__all__ = (
    "MIXERS",
    "Mixed",
    "alignmix",
    "choose",
    "comixup",
    "cutmix",
    "grid_labels",
    "identity",
    "mixup",
    "options_of",
    "puzzlemix",
    "sometimes",
)

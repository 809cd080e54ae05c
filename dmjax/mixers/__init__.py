"""Mixers: pure functions `mixer(key, x, *, option=..., ...) -> Mixed`.

The key comes first and options are keyword-only; configure a mixer with
`functools.partial`. Mixers never see labels: `labels[mixed.sources]` are those
of the mixed batch. Partners are drawn inside the batch they are given, so under
`pmap` or `shard_map` mixing costs no communication. The package depends on JAX
alone.
"""

from dmjax.mixers import saliency
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
from dmjax.mixers._guided import attentivemix
from dmjax.mixers._guided import guidedmix
from dmjax.mixers._guided import saliencymix
from dmjax.mixers._hidden import manifold_mixup
from dmjax.mixers._learned import automix
from dmjax.mixers._masks import fmix
from dmjax.mixers._masks import gridmix
from dmjax.mixers._masks import smoothmix
from dmjax.mixers._puzzle import puzzlemix
from dmjax.mixers._resize import resizemix
from dmjax.mixers._resize import snapmix
from dmjax.mixers._token_labels import mixpro
from dmjax.mixers._token_labels import transmix
from dmjax.mixers._token_masks import smmix
from dmjax.mixers._token_masks import tokenmix

# The mixers by the name a configuration gives them. Combinators are not in it:
# they need mixers, not only options; nor is `automix`, which needs a network.
MIXERS = {
    mixer.__name__: mixer
    for mixer in (
        identity,
        # The input, unguided.
        mixup,
        cutmix,
        fmix,
        gridmix,
        resizemix,
        smoothmix,
        # Hidden layers.
        manifold_mixup,
        alignmix,
        # Guided by maps of the images.
        saliencymix,
        attentivemix,
        snapmix,
        guidedmix,
        puzzlemix,
        comixup,
        # Guided by the attention of a vision transformer.
        transmix,
        tokenmix,
        mixpro,
        smmix,
    )
}

__all__ = (
    "MIXERS",
    "Mixed",
    "alignmix",
    "attentivemix",
    "automix",
    "choose",
    "comixup",
    "cutmix",
    "fmix",
    "grid_labels",
    "gridmix",
    "guidedmix",
    "identity",
    "manifold_mixup",
    "mixpro",
    "mixup",
    "options_of",
    "puzzlemix",
    "resizemix",
    "saliency",
    "saliencymix",
    "smmix",
    "smoothmix",
    "snapmix",
    "sometimes",
    "tokenmix",
    "transmix",
)

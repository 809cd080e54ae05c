"""Mixers: pure functions `mixer(key, x, *, option=..., ...) -> Mixed`.

The key comes first and options are keyword-only; configure a mixer with
`functools.partial`. Mixers never see labels: `labels[mixed.sources]` are those
of the mixed batch. Partners are drawn inside the batch they are given, so under
`pmap` or `shard_map` mixing costs no communication. The package depends on JAX
alone.
"""

from dmjax.mixers._blends import identity
from dmjax.mixers._blends import mixup
from dmjax.mixers._boxes import cutmix
from dmjax.mixers._combinators import choose
from dmjax.mixers._combinators import options_of
from dmjax.mixers._combinators import sometimes
from dmjax.mixers._core import Mixed
from dmjax.mixers._hidden import manifold_mixup
from dmjax.mixers._token_labels import mixpro
from dmjax.mixers._token_labels import transmix
from dmjax.mixers._token_masks import smmix
from dmjax.mixers._token_masks import tokenmix

# The mixers by the name a configuration gives them. Combinators are not in it:
# they need mixers, not only options.
MIXERS = {
    mixer.__name__: mixer
    for mixer in (
        identity,
        mixup,
        cutmix,
        manifold_mixup,
        mixpro,
        smmix,
        tokenmix,
        transmix,
    )
}

__all__ = (
    "MIXERS",
    "Mixed",
    "choose",
    "cutmix",
    "identity",
    "manifold_mixup",
    "mixpro",
    "mixup",
    "options_of",
    "smmix",
    "sometimes",
    "tokenmix",
    "transmix",
)

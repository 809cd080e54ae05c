"""Mixers: pure functions `mixer(key, x, *, option=..., ...) -> Mixed`.

The key comes first and options are keyword-only; configure a mixer with
`functools.partial`. Mixers never see labels: `labels[mixed.sources]` are those
of the mixed batch. Partners are drawn inside the batch they are given, so under
`pmap` or `shard_map` mixing costs no communication. The package depends on JAX
alone.
"""

from collections.abc import Callable

from dmjax.mixers import _guidance
from dmjax.mixers import saliency
from dmjax.mixers._adautomix import adautomix
from dmjax.mixers._affine import affine_sample
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
from dmjax.mixers._guidance import Guidance
from dmjax.mixers._guidance import needs
from dmjax.mixers._guidance import union
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
from dmjax.mixers._several import several
from dmjax.mixers._token_alignment import tlalign
from dmjax.mixers._token_grid import cell_shares
from dmjax.mixers._token_labels import mixpro
from dmjax.mixers._token_labels import transmix
from dmjax.mixers._token_masks import smmix
from dmjax.mixers._token_masks import tokenmix
from dmjax.mixers._token_merging import mergemix
from dmjax.mixers._transformmix import transformmix

# The mixers, and what each needs to be given.
_NEEDS = {
    identity: needs(),
    # The input, unguided.
    mixup: needs(),
    cutmix: needs(),
    fmix: needs(),
    gridmix: needs(),
    resizemix: needs(),
    smoothmix: needs(),
    # Hidden layers.
    manifold_mixup: needs(hidden=True),
    alignmix: needs(hidden=True),
    # Guided by maps of the images.
    saliencymix: needs("saliency"),
    attentivemix: needs("features"),
    snapmix: needs("cam"),
    guidedmix: needs("saliency"),
    puzzlemix: needs("saliency"),
    comixup: needs("saliency"),
    # Guided by the attention of a vision transformer.
    transmix: needs(after=("attention",)),
    tokenmix: needs("attention"),
    mixpro: needs(after=("attention", "progress")),
    smmix: needs("attention"),
    tlalign: needs(after=("attentions",)),
    mergemix: needs("attention", "features"),
}
# By the name a configuration gives them. Combinators need what their parts need,
# and learned mixers a run that has learned to mix.
MIXERS = {mixer.__name__: mixer for mixer in _NEEDS}
COMBINATORS = {"choose": choose, "several": several, "sometimes": sometimes}
LEARNED = {
    "adautomix": adautomix,
    "automix": automix,
    "transformmix": transformmix,
}


def guidance_of(mixer: Callable[..., Mixed]) -> Guidance:
  """What a mixer needs to be given, from the table of mixers.

  Args:
    mixer: A mixer of the table, also in `functools.partial` or a combinator.

  Returns:
    Its guidance; for a combinator that of its parts together.

  Raises:
    ValueError: For a function of one's own, which the table does not hold.

  Example:
    >>> mixers.guidance_of(mixers.puzzlemix).before
    frozenset({'saliency'})
    >>> mixers.guidance_of(mixers.transmix).after
    frozenset({'attention'})
  """
  return _guidance.guidance_of(mixer, _NEEDS)


__all__ = (
    "COMBINATORS",
    "Guidance",
    "LEARNED",
    "MIXERS",
    "Mixed",
    "adautomix",
    "affine_sample",
    "alignmix",
    "attentivemix",
    "automix",
    "cell_shares",
    "choose",
    "comixup",
    "cutmix",
    "fmix",
    "grid_labels",
    "gridmix",
    "guidance_of",
    "guidedmix",
    "identity",
    "manifold_mixup",
    "mergemix",
    "mixpro",
    "mixup",
    "needs",
    "options_of",
    "puzzlemix",
    "resizemix",
    "saliency",
    "saliencymix",
    "several",
    "smmix",
    "smoothmix",
    "snapmix",
    "sometimes",
    "tlalign",
    "tokenmix",
    "transformmix",
    "transmix",
    "union",
)

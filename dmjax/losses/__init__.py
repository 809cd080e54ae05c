"""Mixup losses: per-example functions of logits, labels and weights.

Every loss takes `logits [B, C]`, the labels of the K sources of each mixed row
and the share `weights [B, K]` of each source, and returns `float32[B]`. Nothing
is averaged: reduce as you like, after masking or re-weighting rows. Beside them
stand the term of MixupE, of clean logits and their labels, the divergence of
several predictions, and the losses of learned masks. The package depends on JAX
alone.
"""

from dmjax.losses._binary import mixup_binary_cross_entropy
from dmjax.losses._consistency import jensen_shannon
from dmjax.losses._cross_entropy import decoupled_cross_entropy
from dmjax.losses._cross_entropy import mixup_cross_entropy
from dmjax.losses._labels import soft_labels
from dmjax.losses._margin import large_margin
from dmjax.losses._mask import mask_l1
from dmjax.losses._mask import mask_l2
from dmjax.losses._mask import mask_sparsity
from dmjax.losses._mixupe import directional_derivative
from dmjax.losses._mixupe import mixupe
from dmjax.losses._mixupe import OF_SLOPES as MIXUPE_OF_SLOPES
from dmjax.losses._mixupe import rescaling
from dmjax.losses._mixupe import VARIANTS as MIXUPE_VARIANTS
from dmjax.losses._speakers import am_softmax
from dmjax.losses._speakers import ge2e_scores
from dmjax.losses._speakers import prototypical_scores

# The losses of classification, by the name a configuration gives them.
LOSSES = {
    loss.__name__: loss
    for loss in (
        decoupled_cross_entropy,
        mixup_binary_cross_entropy,
        mixup_cross_entropy,
    )
}

__all__ = (
    "LOSSES",
    "MIXUPE_OF_SLOPES",
    "MIXUPE_VARIANTS",
    "am_softmax",
    "decoupled_cross_entropy",
    "directional_derivative",
    "large_margin",
    "ge2e_scores",
    "jensen_shannon",
    "mask_l1",
    "mask_l2",
    "mask_sparsity",
    "mixup_binary_cross_entropy",
    "mixup_cross_entropy",
    "mixupe",
    "prototypical_scores",
    "rescaling",
    "soft_labels",
)

"""Augmentations: pure functions `augment(key, x, *, option=...) -> x`.

They take batches of images `float[B, H, W, C]` in [0, 1] on the device, and
draw for each image by itself: under `jit`, `vmap` and `pmap`, in any training
loop. Configure them with `functools.partial` and join them with `chain`. Sound
becomes an image by `log_mel`; `random_shift`, `mask_bands` and `mask_times` are
for spectrograms, `swap_tokens`, `delete_tokens` and `replace_tokens` for texts.
The package depends on JAX alone.
"""

from dmjax.augment._augmix import augmix
from dmjax.augment._boxes import first_fitting
from dmjax.augment._boxes import largest_central
from dmjax.augment._chain import chain
from dmjax.augment._colour import colour_jitter
from dmjax.augment._crops import random_crop
from dmjax.augment._crops import random_flip
from dmjax.augment._crops import random_resized_crop
from dmjax.augment._erasing import cutout
from dmjax.augment._erasing import random_cutout
from dmjax.augment._erasing import random_erase
from dmjax.augment._policy import parse_policy
from dmjax.augment._policy import Policy
from dmjax.augment._randaugment import apply_operation
from dmjax.augment._randaugment import OPERATIONS
from dmjax.augment._randaugment import rand_augment
from dmjax.augment._spaces import SPACES
from dmjax.augment._spectrograms import log_mel
from dmjax.augment._spectrograms import mask_bands
from dmjax.augment._spectrograms import mask_times
from dmjax.augment._spectrograms import mel_filters
from dmjax.augment._spectrograms import random_shift
from dmjax.augment._spectrograms import standardise_each
from dmjax.augment._three import three_augment
from dmjax.augment._tokens import delete_tokens
from dmjax.augment._tokens import replace_tokens
from dmjax.augment._tokens import swap_tokens

__all__ = (
    "OPERATIONS",
    "Policy",
    "SPACES",
    "apply_operation",
    "augmix",
    "chain",
    "colour_jitter",
    "cutout",
    "delete_tokens",
    "first_fitting",
    "largest_central",
    "log_mel",
    "mask_bands",
    "mask_times",
    "mel_filters",
    "parse_policy",
    "rand_augment",
    "random_crop",
    "random_cutout",
    "random_erase",
    "random_flip",
    "random_resized_crop",
    "random_shift",
    "replace_tokens",
    "standardise_each",
    "swap_tokens",
    "three_augment",
)

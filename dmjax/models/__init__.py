"""Networks in Flax Linen, created by name.

Every network is called as `model(x, train=..., hook=None, features=None)`:
`hook(stage, x)` sees and may replace the input (stage 0) and the output of
every stage, and `features` names a stage whose map is returned beside the
logits. The classifier is called `head` in every one.
"""

from dmjax.models.mix_block import create_mix_block
from dmjax.models.mix_block import MixBlock
from dmjax.models.pretrained import load_pretrained
from dmjax.models.registry import create
from dmjax.models.registry import MODELS

__all__ = (
    "MODELS",
    "MixBlock",
    "create",
    "create_mix_block",
    "load_pretrained",
)

"""Networks in Flax Linen, created by name.

A method sees a `Network`: three pure functions. `create_network` makes one by
name, `of_linen` of any module called as `module(x, train=..., hook=None,
features=None)`: `hook(stage, x)` sees and may replace the input (stage 0) and
the output of every stage, and `features` names a stage whose map is returned
beside the logits. The classifier is called `head` in every one.
"""

from dmjax.models.adaptive_mask import AdaptiveMask
from dmjax.models.gcn import Nodes
from dmjax.models.mix_block import create_mix_block
from dmjax.models.mix_block import MixBlock
from dmjax.models.network import create_network
from dmjax.models.network import model_state
from dmjax.models.network import Network
from dmjax.models.network import of_linen
from dmjax.models.network import of_mix_block
from dmjax.models.pretrained import load_pretrained
from dmjax.models.pretrained import state_dict
from dmjax.models.registry import create
from dmjax.models.registry import MODELS
from dmjax.models.registry import options_of
from dmjax.models.transform_mix import TransformMix

__all__ = (
    "AdaptiveMask",
    "MODELS",
    "MixBlock",
    "Network",
    "Nodes",
    "TransformMix",
    "create",
    "create_mix_block",
    "create_network",
    "load_pretrained",
    "model_state",
    "of_linen",
    "of_mix_block",
    "options_of",
    "state_dict",
)

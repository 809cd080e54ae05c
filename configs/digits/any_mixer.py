"""Handwritten digits with any mixer, with cross-entropy or DM(CE).

    dmjax train --config configs/digits/any_mixer.py:puzzlemix,dm --workdir runs/p

The argument is a mixer of `dmjax.mixers.MIXERS`, then `ce` (the default) or
`dm`, then `smoke` for 20 steps. ResNet-8; a small vision transformer for the
mixers that need attention. Mixers that ask for saliency get input gradients.
"""

import ml_collections

from configs.digits import resnet8_cutmix_dm
from dmjax import mixers
from dmjax import names

_ATTENTION = ("mixpro", "smmix", "tokenmix", "transmix")
# The stages of ResNet-8 are 1 to 3, and its images have 8 x 8 pixels.
_OPTIONS = {
    "alignmix": {"stages": (3,)},
    "manifold_mixup": {"stages": (0, 1, 2)},
    "puzzlemix": {"blocks": (2, 4, 8)},
    "attentivemix": {"alpha": 2.0},
}
_LOSSES = {
    "ce": {"name": "mixup_cross_entropy"},
    "dm": {"name": "decoupled_cross_entropy", "eta": 0.1},
}


def get_config(arg: str = "cutmix,dm"):
  """The configuration of `mixer[,ce|dm][,smoke]`."""
  mixer, *rest = arg.split(",")
  names.lookup("mixer", mixer, mixers.MIXERS)
  config = resnet8_cutmix_dm.get_config()
  config.mix = {"name": mixer, **_OPTIONS.get(mixer, {})}
  config.loss = _LOSSES["dm" if "dm" in rest else "ce"]
  if mixer in _ATTENTION:
    config.model = {
        "name": "deit_tiny", "dtype": "float32", "patch": 2, "width": 64,
        "depth": 4, "heads": 4,
    }
    config.optimizer = {
        "name": "adamw", "lr": 1e-3, "weight_decay": 0.05, "decay_all": False,
        "clip_norm": 1.0,
    }
  if "smoke" in rest:
    config.update(total="20 steps", batch_size=32)
    config.schedule.warmup = "2 steps"
    config.data.update(train="train[:64]", test="test[:32]")
    config.evaluate.batch_size = 32
    small = {"width": 8, "depth": 2, "heads": 2}
    config.model = config.model.to_dict() | (
        small if mixer in _ATTENTION else {"widths": (4, 8, 8)}
    )
  return ml_collections.ConfigDict(config)

"""Handwritten digits, ResNet-8, the Mix Block of another run with DM(CE).

    dmjax train --config configs/digits/resnet8_automix.py --workdir runs/automix
    dmjax train --config configs/digits/resnet8_mix_block_dm.py --workdir runs/b \\
        --config.mix.workdir=runs/automix

The first run learns to mix, the second mixes by what it has learned; every step
costs a pass of its teacher, up to the stage of the features. `:smoke` trains for
a few steps.
"""

from configs import automix
from configs.digits import resnet8_cutmix_dm


def get_config(arg: str = ""):
  """The configuration."""
  config = resnet8_cutmix_dm.get_config()
  config.mix = {
      "name": "automix", "workdir": "runs/automix", "alpha": 2.0,
      "per_batch": False, "keep_lam": False,
  }
  return automix.smoke(config) if arg == "smoke" else config

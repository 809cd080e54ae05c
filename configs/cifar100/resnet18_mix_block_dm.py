"""CIFAR-100, ResNet-18, the Mix Block of another run with DM(CE).

    dmjax train --config configs/cifar100/resnet18_automix.py \\
        --workdir runs/resnet18_automix_cifar100
    dmjax train --config configs/cifar100/resnet18_mix_block_dm.py --workdir runs/b

The first run learns to mix, the second mixes by what it has learned; every step
costs a pass of its teacher, up to the stage of the features. Another run is
named by `--config.mix.workdir`. `:smoke` trains for a few steps.
"""

from configs import automix
from configs.cifar100 import resnet18_cutmix_dm


def get_config(arg: str = ""):
  """The configuration."""
  config = resnet18_cutmix_dm.get_config()
  config.mix = {
      "name": "automix", "workdir": "runs/resnet18_automix_cifar100",
      "alpha": 2.0, "per_batch": True, "keep_lam": False,
  }
  return automix.smoke(config) if arg == "smoke" else config

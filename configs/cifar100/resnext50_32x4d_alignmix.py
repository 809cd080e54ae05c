"""CIFAR-100, ResNeXt-50 (32x4d), AlignMix, CE, 200 epochs.

    dmjax train --config configs/cifar100/resnext50_32x4d_alignmix.py --workdir runs/a

No accuracy is published for it. Metric: median of the test top-1 of the last 10
epochs.
"""

from configs import recipes


def get_config(arg: str = ""):
  """The configuration; `:smoke` for two steps on noise."""
  return recipes.make(
      "cifar", "cifar100", "resnext50_32x4d", "alignmix", arg=arg
  )

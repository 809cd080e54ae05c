"""Digits in five guises: what holds in a guise that is not trained on?

    dmjax train --config digits_domains:mlp --workdir runs/erm
    dmjax train --config digits_domains:mlp,fixed --workdir runs/a
    dmjax train --config digits_domains:mlp,fix,dm --workdir runs/b \\
        --config.data.leave_out=noisy
    dmjax train --config digits_domains:resnet8,mixup,dm --workdir runs/c

The guises are `original`, `rotated`, `blurred`, `inverted` and `noisy`. About
1,150 digits of four of them are trained on, and 360 others of the fifth are the
test, see `dmjax.data.digits_domains`. Without mixing, FIX is DANN:

    dmjax train --config digits_domains:mlp,fix --workdir runs/dann \\
        --config.mix="{'name': 'identity'}"

A network of dense layers takes seconds, and learns more of so few pixels than a
convolutional one.
"""

import ml_collections

from dmjax.configs import build
from dmjax.configs import domains
from dmjax.configs import plain
from dmjax.configs import sections
from dmjax.configs import table
from dmjax.configs import words

_MIXUP = {"name": "mixup", "alpha": 1.0, "per_batch": False}
_MLP = table.Recipe(
    batch_size=64,
    optimizer=plain.adam(2e-3, 1e-4),
    loss=sections.CE,
    mixes={"mixup": _MIXUP},
    schedule={"per_epoch": False},
    data={"crop_padding": 0},
    model={"widths": (128, 128)},
    methods=domains.METHODS,
)
_RESNET = _MLP._replace(
    mixes={"mixup": _MIXUP, "cutmix": _MIXUP | {"name": "cutmix"}},
    data={}, model={},
)


def _table(network, recipe):
  return table.Table(
      {network: recipe}, (40,), dict.fromkeys(("identity", *recipe.mixes), ()),
      source="", notes=domains.NOTES, plain=domains.PLAIN,
  )


SUITE = table.Suite(
    "digits_domains",
    # The mean and the deviation are those of four guises, whichever.
    {
        "name": "digits_domains", "train": "train", "test": "test",
        "leave_out": "rotated", "mean": (0.4,), "std": (0.37,),
        "crop_padding": 1, "crop_mode": "constant", "flip": False,
    },
    (_table("mlp", _MLP), _table("resnet8", _RESNET)),
)


def get_config(arg: str) -> ml_collections.ConfigDict:
  """The configuration of words such as `mlp,fixed`."""
  choice = words.parse(arg, SUITE)
  config = build.make(SUITE, choice)
  config.evaluate.update(every="10 epochs", mix={"name": "mixup"})
  if not choice.smoke:
    return config
  config.model.widths = (8, 8) if choice.network == "mlp" else (4, 8, 8)
  config.data.update(train="train[:64]", test="test[:64]")
  return build.short(config)

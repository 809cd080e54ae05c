"""Recordings: log-mel spectrograms, and mixers of them.

The files of the sets share what is here. Recordings of one's own are a folder
`root/<split>/<class>/*.wav`:

    dmjax train --config spoken_digit:temporal_cnn,mixup,dm \\
        --config.data.name=./mine --config.data.train=train \\
        --config.data.test=test --workdir runs/mine
"""

from collections.abc import Mapping
from typing import Any

import ml_collections

from dmjax.configs import domains
from dmjax.configs import plain
from dmjax.configs import sections
from dmjax.configs import table

# `cutmix` cuts a segment of time, through all bands.
_MIXES = {
    "mixup": 1.0,
    "cutmix": sections.one("cutmix", 1.0, axes="width"),
    "manifold_mixup": sections.one("manifold_mixup", 1.0, stages=(0, 1, 2)),
}


def suite(
    name: str, *, batch_size: int, epochs: int,
    methods: Mapping[str, Any] = {}, **data: Any
) -> table.Suite:
  """The recipes of a set of recordings, Adam with a cosine.

  Args:
    name: Of the set.
    batch_size: Recordings of a step.
    epochs: Length of training.
    methods: More of them, as in `table.Recipe`.
    **data: Changes to the `data` section.

  Returns:
    The recipes; nothing is published of them.
  """
  recipe = table.Recipe(
      batch_size=batch_size, optimizer=plain.adam(2e-3, 1e-4), loss=sections.CE,
      mixes=_MIXES,
      methods={
          "mixupe": {"method.eta": 0.1, "method.tau": 1.0}, **methods,
      },
  )
  top1 = dict.fromkeys(("identity", *_MIXES), ())
  networks = {"temporal_cnn": recipe, "resnet8": recipe, "resnet18": recipe}
  return table.Suite(name, {"name": name, **plain.DATA, **data}, (
      table.Table(
          networks, (epochs,), top1, source="", plain=domains.PLAIN,
          notes=plain.NOTES | domains.NOTES,
      ),
  ))


def get_config(suite_: table.Suite, arg: str) -> ml_collections.ConfigDict:
  """The configuration of words such as `temporal_cnn,mixup,dm`."""
  return plain.get_config(suite_, arg, mock="mock/sound")

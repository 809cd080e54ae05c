"""Tables: a network of dense layers, and mixers of rows.

The files of the sets share what is here. A table of one's own is a folder with
`train.csv` and `test.csv`, each with a header and a column `label`:

    dmjax train --config wine:mlp,mixup,dm --config.data.name=./mine \\
        --workdir runs/mine
"""

import ml_collections

from dmjax.configs import plain
from dmjax.configs import sections
from dmjax.configs import table

_MIXES = {
    "mixup": 1.0,
    "manifold_mixup": sections.one("manifold_mixup", 1.0, stages=(0, 1, 2)),
}
_METHODS = {"mixupe": {"method.eta": 0.1, "method.tau": 1.0}}


def suite(
    name: str, *, width: int, batch_size: int, epochs: int, **data: object
) -> table.Suite:
  """The recipes of a set of tables: two hidden layers, Adam, a cosine.

  Args:
    name: Of the set.
    width: Of the hidden layers.
    batch_size: Rows of a step.
    epochs: Length of training.
    **data: Changes to the `data` section.

  Returns:
    The recipes; nothing is published of them.
  """
  recipe = table.Recipe(
      batch_size=batch_size, optimizer=plain.adam(1e-3), loss=sections.CE,
      mixes=_MIXES, model={"widths": (width, width)}, methods=_METHODS,
  )
  top1 = dict.fromkeys(("identity", *_MIXES), ())
  return table.Suite(
      name, {"name": name, "train": "train", "test": "test", **plain.DATA, **data},
      (table.Table(
          {"mlp": recipe}, (epochs,), top1, source="", notes=plain.NOTES
      ),),
  )


def get_config(suite_: table.Suite, arg: str) -> ml_collections.ConfigDict:
  """The configuration of words such as `mlp,mixup,dm`."""
  return plain.get_config(suite_, arg, mock="mock/table")

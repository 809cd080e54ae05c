"""dmjax: mixup for JAX.

`losses`, `mixers` and `augment` are pure functions that need JAX alone, so they
are what `import dmjax` brings. The training system around them (`models`,
`methods`, `data`, `train`, `evaluate`) is imported where it is used.
"""

from dmjax import augment
from dmjax import losses
from dmjax import mixers

__all__ = ("augment", "load", "losses", "mixers")
__version__ = "0.1.0"


def load(workdir, step=None):
  """A trained run and its state, for one's own code.

  Args:
    workdir: Of the run; its dataset need not be there.
    step: Of the checkpoint; the newest by default.

  Returns:
    The run, see `dmjax.train.run.Run`, and its state.
  """
  from dmjax.train import run  # pylint: disable=g-import-not-at-top

  return run.load(workdir, step)

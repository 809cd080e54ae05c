"""dmjax: mixup for JAX.

`losses` and `mixers` are pure functions that need JAX alone, so they are what
`import dmjax` brings. The training system around them (`models`, `methods`,
`data`, `train`, `evaluate`) is imported where it is used.
"""

from dmjax import losses
from dmjax import mixers

__all__ = ("losses", "mixers")
__version__ = "0.1.0"

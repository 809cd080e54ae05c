"""dmjax: mixup for JAX.

`losses`, `mixers` and `augment` are pure functions that need JAX alone, so they
are what `import dmjax` brings. The training system around them (`models`, `methods`,
`data`, `train`, `evaluate`) is imported where it is used.
"""

from dmjax import augment
from dmjax import losses
from dmjax import mixers

__all__ = ("augment", "losses", "mixers")
__version__ = "0.1.0"

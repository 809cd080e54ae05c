"""What a method has learned about mixing, and its use as a mixer."""

from collections.abc import Callable
from typing import NamedTuple

import jax

from dmjax import mixers


class Learned(NamedTuple):
  """A network that has learned to mix, as `mixers.automix` takes it.

  Attributes:
    features: `images -> [B, h, w, D]`, of images in [0, 1].
    block: `(features, partner, lam, (H, W)) -> mask [B, H, W]`.
  """

  features: Callable[[jax.Array], jax.Array]
  block: Callable[..., jax.Array]


def as_mixer(learned: Learned) -> Callable[..., mixers.Mixed]:
  """A Mix Block as `mixer(key, x, *, alpha=2., ...) -> Mixed`.

  Its options are those of `mixers.automix`; `x` is in [0, 1]. Each call costs a
  pass of its teacher, up to the stage of the features.

  Args:
    learned: The block with its features.

  Returns:
    The mixer.
  """

  def mixer(key, x, **options):
    return mixers.automix(
        key, x, block=learned.block, features=learned.features(x), **options
    )

  return mixer

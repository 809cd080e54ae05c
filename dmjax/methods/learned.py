"""What a method has learned about mixing, and its use as a mixer."""

from collections.abc import Callable
import functools
from typing import Any, NamedTuple

import jax

from dmjax import mixers


class Learned(NamedTuple):
  """A network that has learned to mix, as a mixer of `mixers.LEARNED` takes it.

  Attributes:
    features: `images -> [B, h, w, D]`, or whatever else the mixer's `features`
      are, of images in [0, 1].
    block: The mixer's `block`; of `automix` `(features, partner, lam, (H, W)) ->
      mask [B, H, W]`.
    mix: The mixer.
  """

  features: Callable[[jax.Array], jax.Array]
  block: Callable[..., Any]
  mix: Callable[..., mixers.Mixed] = mixers.automix


def as_mixer(learned: Learned) -> Callable[..., mixers.Mixed]:
  """What was learned as `mixer(key, x, *, alpha=2., ...) -> Mixed`.

  Its options are those of `learned.mix`; `x` is in [0, 1]. Each call costs a
  pass of its teacher, up to the stage of the features.

  Args:
    learned: The block with its features.

  Returns:
    The mixer, of the name of `learned.mix`.
  """

  @functools.wraps(learned.mix)
  def mixer(key, x, **options):
    return learned.mix(
        key, x, block=learned.block, features=learned.features(x), **options
    )

  return mixer

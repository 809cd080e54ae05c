"""What the tests of the losses share: programs, and random inputs to them."""

import jax
import numpy as np

from dmjax import losses

# Eager calls compile every operation by itself: most tests share programs.
mixup_ce, decoupled_ce, binary_ce = (
    jax.jit(loss, static_argnames=("label_smoothing", *options))
    for loss, *options in (
        (losses.mixup_cross_entropy,),
        (losses.decoupled_cross_entropy, "select"),
        (losses.mixup_binary_cross_entropy,),
    )
)


def draw(seed, batch=6, classes=7, sources=2, scale=3.0):
  """Random logits, labels (distinct and repeated) and weights."""
  rng = np.random.default_rng(seed)
  return (
      scale * rng.normal(size=(batch, classes)),
      rng.integers(classes, size=(batch, sources)),
      rng.dirichlet(np.ones(sources), size=batch),
  )

"""Occlusion: how much of an image may be hidden, and which part."""

import jax
import jax.numpy as jnp
import numpy as np

from dmjax.evaluate.probes import base
from dmjax.mixers import saliency

# Patches along a side.
_GRID = 8
_SHARES = tuple(tenth / 10 for tenth in range(1, 10))
# Which patches are hidden first.
_ORDERS = ("random", "salient", "non-salient")


def cases(options: base.Options) -> list[base.Case]:
  """Three orders of the patches, and 10 % to 90 % of them hidden."""
  del options
  return [
      base.Case(f"{order} {share:.0%}", order, {"share": share}, share, order)
      for order in _ORDERS
      for share in _SHARES
  ]


def measure(model: base.Model, program: str):
  """Classifies images with patches hidden in the order `program`."""

  def outcomes(state, batch, setting):
    x = occlude(batch["key"], batch["x"], setting["share"], program)
    return base.judged(model.logits(state, x), batch["label"])

  return outcomes


def occlude(
    keys: jax.Array, images: jax.Array, share: jax.Array, order: str
) -> jax.Array:
  """Sets patches of a grid to the mean grey of the image.

  The grid has 8 patches along a side, whose sizes differ by a pixel at most, or
  one for each pixel where there are fewer.

  Args:
    keys: One PRNG key per image, for the random order.
    images: `float32[B, H, W, C]` in [0, 1].
    share: Of the patches that are hidden, in [0, 1]; rounded to whole patches.
    order: Which go first: `random`, `salient`, by the spectral residual of the
      image as it was, or `non-salient`, the same order reversed.

  Returns:
    `float32[B, H, W, C]`.
  """
  rows, columns = (_patches(side) for side in images.shape[1:3])
  if order == "random":
    shape = rows.max() + 1, columns.max() + 1
    urgency = jax.vmap(lambda key: jax.random.uniform(key, shape))(keys)
  else:
    urgency = _means(saliency.spectral_residual(images), rows, columns)
  last = urgency[0].size - 1
  rank = _ranks(urgency)
  rank = last - rank if order == "non-salient" else rank
  hidden = rank < jnp.round(share * (last + 1))
  grey = jnp.mean(images, axis=(1, 2, 3), keepdims=True)
  return jnp.where(hidden[:, rows][:, :, columns, None], grey, images)


def _patches(side):
  """The patch of each pixel along a side, `int[side]`."""
  return np.arange(side) * min(side, _GRID) // side


def _means(maps, rows, columns):
  """Mean of maps `[B, H, W]` over every patch."""

  def average(index):
    return np.eye(index.max() + 1, dtype=np.float32)[index] / np.bincount(index)

  return jnp.einsum(
      "bhw,hr,wc->brc", maps, average(rows), average(columns),
      precision="highest",
  )


def _ranks(urgency):
  """How many patches are more urgent, `int[B, rows, columns]`."""
  order = jnp.argsort(-urgency.reshape(len(urgency), -1), axis=1)
  return jnp.argsort(order, axis=1).reshape(urgency.shape)


PROBE = base.Probe(
    about="accuracy with patches hidden: random, salient, non-salient ones",
    cases=cases,
    measure=measure,
    axis="share hidden",
    summarize=base.means,
    kinds=("image",),
)

"""The two objectives of AutoMix: the student's and that of the Mix Block."""

from collections.abc import Callable
import re
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from dmjax import mixers
from dmjax.methods import base
from dmjax.methods.supervised import mixed_accuracy
from dmjax.models import model_state
from dmjax.models import Network
from dmjax.parallel import AXIS


class Parts(NamedTuple):
  """What the method is made of.

  Attributes:
    network: To logits `[B, 2 C]`, two heads side by side: the first C are asked
      about clean images, the others about mixed ones.
    block: The Mix Block, `(features, partner, lam, shape) -> mask`.
    mixer: `mixer(key, images) -> Mixed`: draws partners and lambda, and mixes
      where lambda is near 0 or 1.
    loss: `loss(logits, labels, weights) -> [B]`; of one source when clean.
    mask_loss: `mask_loss(mask, lam) -> [B]`.
    stage: The stage of the teacher whose features the Mix Block sees.
    lam_margin: The student gets plain mixing where lambda is nearer to 0 or 1.
  """

  network: Network
  block: Network
  mixer: Callable[..., mixers.Mixed]
  loss: Callable[..., jax.Array]
  mask_loss: Callable[..., jax.Array]
  stage: str
  lam_margin: float = 0.08


def objectives(
    parts: Parts,
    variables: dict[str, Any],
    batch: base.Batch,
    key: jax.Array,
    *,
    mask_weight: jax.typing.ArrayLike,
    skip: float = 0.0,
) -> tuple[tuple[jax.Array, jax.Array], base.Aux]:
  """The losses of student and Mix Block, each to its own parameters alone.

  Args:
    parts: The networks and losses.
    variables: Of `student`, `teacher` and `mix_block`.
    batch: `x` and `label`.
    key: PRNG key.
    mask_weight: Of the mask loss.
    skip: Probability of leaving out the classification term of the second, on
      all devices; its mask loss stays.

  Returns:
    The two scalars; the new model state of the three, and metrics.
  """
  images, labels = batch["x"], batch["label"]
  student, block = variables["student"], variables["mix_block"]
  teacher = jax.lax.stop_gradient(variables["teacher"])
  keys = jax.random.split(key, 8)
  features, teacher = _features(parts, teacher, images, keys[0])
  taught, shown = parts.mixer(keys[1], images), parts.mixer(keys[2], images)
  (mask, shown_mask), block_state = _masks(
      parts, block, features, (taught, shown), images.shape[1:3], keys[6]
  )
  shown = _near_plain(parts, images, shown, jax.lax.stop_gradient(shown_mask))
  student_loss, student_state, hits = _student(
      parts, student, images, shown, labels, keys[3:5]
  )
  taught_loss, teacher_state = _classification(
      parts, teacher, images, taught, mask, labels, (keys[5], keys[7]), skip
  )
  of_mask = parts.mask_loss(mask, taught.weights[:, 0])
  block_loss = taught_loss + mask_weight * jnp.mean(of_mask)
  metrics = {"accuracy": hits} | _mask_metrics(parts, taught, mask)
  metrics["mix_block_loss"] = (block_loss * labels.size, labels.size)
  state = {
      "student": student_state, "teacher": teacher_state,
      "mix_block": block_state,
  }
  return (student_loss, block_loss), base.Aux(state, metrics)


def _is_skipped(key, probability):
  """Drawn by the first device for all, which may share batch statistics."""
  first = jax.lax.axis_index(AXIS) == 0
  skips = first & jax.random.bernoulli(key, probability)
  return jax.lax.psum(skips.astype(jnp.int32), AXIS) > 0


def _features(parts, teacher, images, key):
  """The teacher's features of clean images; none of its later stages is run.

  Their batch statistics would need those stages and nothing else does, so they
  come from the mixed images alone; where that pass is skipped, they stay.
  """
  (_, features), state = parts.network.train(
      teacher, images, key, features=parts.stage
  )
  last = int(parts.stage.removeprefix("stage"))

  def is_run(module):
    stage = re.match(r"stage(\d+)", module)
    return int(stage[1]) <= last if stage else module.startswith("stem")

  new = {
      kind: {m: s if is_run(m) else teacher[kind][m] for m, s in modules.items()}
      for kind, modules in state.items()
  }
  return features, teacher | new


def _masks(parts, block, features, draws, shape, key):
  """The masks of both draws, `[2, B, H, W, 1]`, in one call.

  So the batch norm of SAMix's neck sees the statistics of both draws together,
  those of 2B rows. The published code calls the block for each draw, with the
  statistics of each. One call is half the calls of one small network, its
  attention is batched, and the statistics are of twice the rows.
  """
  batch = features.shape[0]
  partners = [d.sources[:, 1] + batch * i for i, d in enumerate(draws)]
  lam = jnp.concatenate([d.weights[:, 0] for d in draws])
  x = jnp.concatenate([features] * 2), jnp.concatenate(partners), lam, shape
  masks, state = parts.block.train(block, x, key)
  return masks.reshape(2, batch, *masks.shape[1:]), state


def _near_plain(parts, images, mixed, mask):
  """Mixes by the mask, but plainly where lambda is near 0 or 1."""
  lam = mixed.weights[:, 0]
  near = jnp.minimum(lam, 1 - lam) <= parts.lam_margin
  by_mask = _mix(images, mixed, mask)
  return mixed._replace(
      x=jnp.where(near[:, None, None, None], mixed.x, by_mask)
  )


def _student(parts, student, images, mixed, labels, keys):
  """Clean and mixed images, each for the head it is for."""
  clean, state = parts.network.train(student, images, keys[0])
  logits, state = parts.network.train(student | state, mixed.x, keys[1])
  clean, logits = heads(clean)[0], heads(logits)[1]
  ones = jnp.ones((labels.shape[0], 1))
  clean_loss = parts.loss(clean, labels[:, None], ones)
  pair = labels[mixed.sources]
  mixed_loss = parts.loss(logits, pair, mixed.weights)
  hits = mixed_accuracy(logits, pair, mixed.weights)
  return jnp.mean(clean_loss) + jnp.mean(mixed_loss), state, hits


def _classification(parts, teacher, images, mixed, mask, labels, keys, skip):
  """How well the teacher knows what the Mix Block has mixed; 0 if skipped."""

  def run(mask):
    logits, state = parts.network.train(
        teacher, _mix(images, mixed, mask), keys[0]
    )
    each = parts.loss(heads(logits)[1], labels[mixed.sources], mixed.weights)
    return jnp.mean(each), state

  if not skip:
    return run(mask)
  nothing = lambda mask: (jnp.float32(0), model_state(teacher))
  return jax.lax.cond(_is_skipped(keys[1], skip), nothing, run, mask)


def _mask_metrics(parts, mixed, mask):
  lam = mixed.weights[:, 0]
  gaps = jnp.abs(jnp.mean(mask, axis=(1, 2, 3)) - lam)
  return {
      "mask_loss": (parts.mask_loss(mask, lam).sum(), lam.size),
      "mask_gap": (gaps.sum(), lam.size),
  }


def _mix(images, mixed, mask):
  return mask * images + (1 - mask) * images[mixed.sources[:, 1]]


def heads(logits: jax.Array) -> list[jax.Array]:
  """Logits `[B, 2 C]` to those of clean and of mixed images, `[B, C]`."""
  return jnp.split(logits, 2, axis=-1)

"""AutoMix and SAMix: training with a mixer that learns to mix."""

from collections.abc import Callable, Mapping
import functools
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dmjax import losses
from dmjax import mixers
from dmjax import models
from dmjax import names
from dmjax.methods import automix_losses
from dmjax.methods import base
from dmjax.methods.momentum import cosine
from dmjax.methods.momentum import follower

MASK_LOSSES = {
    loss.__name__: loss
    for loss in (losses.mask_l1, losses.mask_l2, losses.mask_sparsity)
}


def automix(
    network: models.Network,
    block: models.Network,
    mixer: Callable[..., mixers.Mixed],
    loss: Callable[..., jax.Array],
    *,
    total_steps: int,
    stage: str = "stage3",
    mask_loss: Callable[..., jax.Array] = losses.mask_l1,
    mask_weight: float = 0.1,
    mask_decay: bool = False,
    lam_margin: float = 0.08,
    skip: float = 0.0,
    momentum: float = 0.999,
    end_momentum: float = 0.999999,
    momentum_delay: float = 0.1,
) -> base.Method:
  """AutoMix and SAMix (arXiv 2103.13027, 2111.15454): the momentum pipeline.

  A student q, its running average k (the teacher) and a Mix Block B learn
  together; one_q, mix_q are the two heads, m = B(k's features, lambda) a mask:

      L_q = loss(one_q(x), y)      + loss(mix_q(x mixed by m'), lambda')
      L_k = loss(mix_k(x mixed by m), lambda) + w mask_loss(m, lambda)

  The pairs and lambdas of the two are drawn independently. m' carries no
  gradient, so L_q trains the student alone; L_k passes through the teacher,
  which does not move by it, and trains the Mix Block alone. Labels are weighed
  by the lambda that was asked for, not by the mean of the mask, as published.

  Both draws go through B in one call. The batch norm of SAMix's neck sees their
  statistics together, where the published code calls B for each by itself.

  `predict` is the teacher's head for clean images, fixed in advance.

  Args:
    network: Of two heads side by side; see `automix_losses.Parts`.
    block: The Mix Block, of `models.of_mix_block`.
    mixer: Draws the pairs, published as mixup with `alpha=2, per_batch=True`.
    loss: Of all three classification terms.
    total_steps: Length of training, of the schedules.
    stage: Where the teacher's features are taken.
    mask_loss: Keeps the mean of the mask near lambda.
    mask_weight: w.
    mask_decay: Let w fall to 0 as a cosine.
    lam_margin: The student's batch is mixed by `mixer` where lambda is at most
      this, or at least one minus this.
    skip: Probability that a step leaves out the classification term of L_k, and
      with it the teacher's pass over mixed images, on all devices of the axis
      `dmjax.parallel.AXIS`: with it, the loss runs under that axis alone. The
      mask loss trains B in every step.
    momentum: m of the teacher, k <- m k + (1 - m) q, at first.
    end_momentum: And at the end.
    momentum_delay: Fraction of training in which it is constant.

  Returns:
    The method. Its params are those of `student` and `mix_block`; the teacher's
    are in `extra`.

  Raises:
    ValueError: For options out of range.
  """
  check_stage(stage)
  for name, value, top in (
      ("lam_margin", lam_margin, 0.5),
      ("skip", skip, 1),
      ("momentum", momentum, 1),
      ("end_momentum", end_momentum, 1),
      ("momentum_delay", momentum_delay, 1),
  ):
    if not 0 <= value <= top:
      raise ValueError(f"{name} must lie in [0, {top}], got {value}")
  parts = automix_losses.Parts(
      network, block, mixer, loss, mask_loss, stage, lam_margin
  )

  def loss_fn(params, state, batch, key):
    params = params | {"teacher": state.extra["teacher"]}
    variables = {
        k: {"params": params[k], **state.model_state[k]} for k in params
    }
    fraction = state.step / total_steps
    weight = mask_weight * (cosine(fraction) if mask_decay else 1.0)
    both, aux = automix_losses.objectives(
        parts, variables, batch, key, mask_weight=weight, skip=skip
    )
    total = sum(both)
    aux.metrics["loss"] = (total * batch["label"].size, batch["label"].size)
    return total, aux

  after_update = follower(
      total_steps, momentum=momentum, end_momentum=end_momentum,
      delay=momentum_delay,
  )

  def predict(state, batch):
    logits = network.predict(teacher_of(state), batch["x"])
    return automix_losses.heads(logits)[0]

  def init(key, batch, variables=None):
    return first_state(parts, key, batch["x"][:1], variables)

  def learned(state):
    return _learned(parts, state)

  return base.Method(
      network, init, loss_fn, after_update, predict, teacher_of, learned
  )


def make(
    parts: base.Parts,
    *,
    mix_block: Mapping[str, Any] = {"name": "automix"},
    mask_loss: Mapping[str, Any] = {"name": "mask_l1"},
    **options,
) -> base.Method:
  """The method of a run: a network of two heads, a Mix Block, a mask loss.

  Args:
    parts: What the run gives.
    mix_block: Name and options of `models.create_mix_block`.
    mask_loss: Name and options of a loss of `MASK_LOSSES`.
    **options: Those of `automix`.

  Returns:
    The method.

  Raises:
    ValueError: For a mixer that needs guidance, and unknown names.
  """
  base.check_unguided(parts, "automix", such_as="mixup")
  spec = {"name": "automix", **options}
  configured = names.configure("method", {"automix": automix}, spec)
  block = models.create_mix_block(axis_name=parts.axis_name, **mix_block)
  return configured(
      parts.network(2 * parts.num_classes), models.of_mix_block(block),
      parts.mixer, parts.loss, total_steps=parts.total_steps,
      mask_loss=names.configure("mask loss", MASK_LOSSES, mask_loss),
  )


def check_stage(stage: str) -> None:
  """Raises ValueError unless it is named like a stage."""
  if not re.fullmatch(r"stage[1-9]\d*", stage):
    raise ValueError(f"stage must be a stage, such as 'stage3', got {stage!r}")


def first_state(
    parts: automix_losses.Parts,
    key: jax.Array,
    image: jax.Array,
    student: dict[str, Any] | None = None,
    pairs: tuple[Any, Any] = (np.zeros(1, int), 0.5),
) -> base.TrainState:
  """The state before the first step: teacher and student are the same.

  Args:
    parts: The networks.
    key: PRNG key.
    image: `[1, H, W, C]`.
    student: Its variables, drawn from `key` where None.
    pairs: What the block is told beside features and `(H, W)`.

  Returns:
    The state.
  """
  student_key, block_key = jax.random.split(key)
  if student is None:
    student = parts.network.init(student_key, image)
  _check_heads(student)
  take = functools.partial(parts.network.predict, features=parts.stage)
  shape = jax.eval_shape(take, student, image)[1]
  x = jnp.zeros(shape.shape, shape.dtype), *pairs, image.shape[1:3]
  block = parts.block.init(block_key, x)
  # Copies: the step donates the state it is given.
  teacher = jax.tree.map(jnp.copy, student)
  networks = {"student": student, "teacher": teacher, "mix_block": block}
  return base.TrainState(
      step=jnp.int32(0),
      params={k: networks[k]["params"] for k in ("student", "mix_block")},
      model_state={k: models.model_state(v) for k, v in networks.items()},
      extra={"teacher": teacher["params"]},
  )


def teacher_of(state: base.TrainState) -> dict[str, Any]:
  """The variables of the teacher."""
  return {"params": state.extra["teacher"], **state.model_state["teacher"]}


def _learned(parts, state):
  variables = {
      "params": state.params["mix_block"], **state.model_state["mix_block"]
  }

  def features(images):
    return parts.network.predict(teacher_of(state), images, features=parts.stage)[1]

  def block(*x):
    return parts.block.predict(variables, x)[..., 0]

  return base.Learned(features, block)


def _check_heads(variables):
  outputs = variables["params"]["head"]["bias"].size
  if outputs % 2:
    raise ValueError(
        "network must have two heads side by side, an even number of outputs,"
        f" got {outputs}"
    )

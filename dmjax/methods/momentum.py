"""A teacher that is the running average of a student, on a schedule."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from dmjax.methods import base


def follower(
    total_steps: int, **momentum: float
) -> Callable[[base.TrainState, Any], base.TrainState]:
  """Builds `after_update(state, carried)`, in which the teacher follows.

  Args:
    total_steps: Length of training.
    **momentum: As `teacher_rate` takes it.

  Returns:
    The function.
  """

  def after_update(state, carried):
    del carried
    rate = teacher_rate(state.step - 1, total_steps, **momentum)
    # Not a weighted sum: 1 - rate would round to 1 - 1.01e-6 at the end.
    teacher = jax.tree.map(
        lambda k, q: k + rate * (q - k),
        state.extra["teacher"], state.params["student"],
    )
    return state.replace(extra={"teacher": teacher})

  return after_update


def teacher_rate(
    step: jax.typing.ArrayLike,
    total_steps: int,
    *,
    momentum: float = 0.999,
    end_momentum: float = 0.999999,
    delay: float = 0.1,
) -> jax.Array:
  """The share of the student in each update of the teacher, 1 - m_t.

      m_t = m_T - (m_T - m_0) (cos(pi t / T) + 1) / 2    for t >= delay T

  and m_0 before. The formula does not start anew at `delay T`: published as it
  is, with a small jump there.

  Args:
    step: t, counted from 0.
    total_steps: T.
    momentum: m_0.
    end_momentum: m_T.
    delay: Fraction of training.

  Returns:
    `float32[]`. Of m itself, float32 would keep no digits near 1.
  """
  rate = 1 - end_momentum + (end_momentum - momentum) * cosine(
      step / total_steps
  )
  return jnp.where(step < delay * total_steps, 1 - momentum, rate)


def cosine(fraction: jax.typing.ArrayLike) -> jax.Array:
  """1 at 0, 0 at 1."""
  return (jnp.cos(jnp.pi * fraction) + 1) / 2

"""Accuracy under the fast gradient sign method, over the radius."""

from collections.abc import Callable
import math

import jax

from dmjax.evaluate import attacks
from dmjax.evaluate.probes import base

# The program of the case at radius 0, which costs a forward pass alone.
_CLEAN = "clean"


def cases_of(options: base.Options, program: str) -> list[base.Case]:
  """A clean case and one for each radius, smallest first.

  Args:
    options: With `eps`, in pixels of 255.
    program: Of the cases with a radius above 0.

  Returns:
    The cases; the place and the setting `eps` are in pixels of 255.

  Raises:
    ValueError: For a radius below 0 or not finite.
  """
  for eps in options.eps:
    if not 0 <= eps < math.inf:
      raise ValueError(
          f"eps must be finite and >= 0, in pixels of 255, got {eps}"
      )
  return [
      base.Case(
          f"eps {eps:g}/255", program if eps else _CLEAN, {"eps": eps}, eps
      )
      for eps in sorted({0.0, *options.eps})
  ]


def measure_of(
    attack: Callable[..., jax.Array], model: base.Model, program: str
) -> Callable[..., base.Outcomes]:
  """Builds `(state, batch, setting) -> outcomes` of attacked rows.

  Args:
    attack: `(loss, keys, x, eps) -> x`, with `eps` in [0, 1].
    model: What is attacked.
    program: That of the cases, as `cases_of` gave it.

  Returns:
    The function; its outcomes are those of `base.judged`.
  """

  def measure(state, batch, setting):
    x, labels = batch["x"], batch["label"]

    def loss(x):
      return attacks.error_log_odds(model.logits(state, x), labels)

    if program != _CLEAN:
      x = attack(loss, batch["key"], x, setting["eps"] / 255)
    return base.judged(model.logits(state, x), labels)

  return measure


def _attack(loss, keys, x, eps):
  del keys
  return attacks.fgsm(loss, x, eps)


def _cases(options):
  return cases_of(options, "one step")


def _measure(model, program):
  return measure_of(_attack, model, program)


PROBE = base.Probe(
    about="accuracy under the fast gradient sign method, eps in 255ths",
    cases=_cases,
    measure=_measure,
    axis="eps, in 255ths",
    summarize=base.means,
    kinds=("image",),
)

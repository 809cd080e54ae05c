"""Accuracy under projected gradient ascent, over the radius."""

import functools
import re

from dmjax.evaluate import attacks
from dmjax.evaluate.probes import base
from dmjax.evaluate.probes import fgsm


def _cases(options):
  steps, restarts = options.steps, options.restarts
  attacks.check_counts(steps, restarts)
  return fgsm.cases_of(options, f"steps {steps}, restarts {restarts}")


def _measure(model, program):
  """The counts are static and so part of the program, see `_cases`."""
  counts = re.findall(r"(steps|restarts) (\d+)", program)
  options = {name: int(count) for name, count in counts}
  attack = functools.partial(attacks.pgd, **options)
  return fgsm.measure_of(attack, model, program)


PROBE = base.Probe(
    about="accuracy under projected gradient ascent, eps in 255ths",
    cases=_cases,
    measure=_measure,
    axis="eps, in 255ths",
    summarize=base.means,
    kinds=("image",),
)

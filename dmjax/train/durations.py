"""When things happen in a run, in optimizer steps."""

from typing import Any, NamedTuple

import jax
import numpy as np

from dmjax import clock


class Durations(NamedTuple):
  """The durations of a configuration, in steps."""

  total: int
  epoch: int
  warmup: int
  evaluate: int
  checkpoint: int
  log: int


def of_run(config: Any, size: int) -> Durations:
  """Translates the durations of a configuration; ValueError for bad ones."""
  if size < config.batch_size:
    raise ValueError(
        f"batch_size must be at most the {size} training examples, got"
        f" {config.batch_size}"
    )
  unit = {"batch_size": config.batch_size, "size": size}
  total = clock.steps("total", config.total, **unit)
  if total < 1:
    raise ValueError(f"total must be at least one step, got {config.total!r}")
  inner = {
      name: clock.steps(f"{name}.{key}", config[name][key], total=total, **unit)
      for name, key in (
          ("schedule", "warmup"), ("evaluate", "every"),
          ("checkpoint", "every"), ("log", "every"),
      )
  }
  return Durations(
      total, size // config.batch_size, inner["schedule"],
      *(max(1, inner[name]) for name in ("evaluate", "checkpoint", "log")),
  )


def steps_per_call(limit: int, times: Durations) -> int:
  """Steps of one compiled call: divides all durations, so none recompiles.

  Args:
    limit: At most so many; 0 for 1 on CPU and about 10 elsewhere.
    times: The durations.

  Returns:
    The number of steps.
  """
  if not limit:
    limit = 1 if jax.default_backend() == "cpu" else 20
  common = np.gcd.reduce([times.total, times.evaluate, times.checkpoint])
  return max(d for d in range(1, limit + 1) if common % d == 0)

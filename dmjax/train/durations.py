"""When things happen in a run, in optimizer steps."""

import re
from typing import Any, NamedTuple

import jax
import numpy as np

_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(steps?|epochs?|examples|%)\s*")


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
  total = steps("total", config.total, **unit)
  if total < 1:
    raise ValueError(f"total must be at least one step, got {config.total!r}")
  inner = {
      name: steps(f"{name}.{key}", config[name][key], total=total, **unit)
      for name, key in (
          ("schedule", "warmup"), ("evaluate", "every"),
          ("checkpoint", "every"), ("log", "every"),
      )
  }
  if inner["schedule"] > total:
    raise ValueError(
        f"schedule.warmup must be at most the {total} steps of total, got"
        f" {config.schedule.warmup!r}"
    )
  for name in ("evaluate", "checkpoint", "log"):
    if not float(_DURATION.fullmatch(config[name].every)[1]):
      raise ValueError(f"{name}.every must be > 0, got {config[name].every!r}")
  return Durations(
      total, size // config.batch_size, inner["schedule"],
      *(max(1, inner[name]) for name in ("evaluate", "checkpoint", "log")),
  )


def steps(
    name: str,
    duration: str,
    *,
    batch_size: int,
    size: int,
    total: int | None = None,
) -> int:
  """A duration in optimizer steps, rounded to the nearest.

  Args:
    name: The configuration key, for the error message.
    duration: A number and its unit: `steps`, `epochs`, `examples`, or `%` of
      the whole training.
    batch_size: Examples in a step.
    size: Examples in an epoch. Batches that are not full are left out.
    total: Steps of the whole training, for `%`.

  Returns:
    The number of steps, 0 or more.

  Raises:
    ValueError: For what is not a duration.
  """
  match = isinstance(duration, str) and _DURATION.fullmatch(duration)
  if not match or (match[2] == "%" and total is None):
    raise ValueError(
        f"{name} must be a duration such as '20 epochs', '500 steps' or"
        f" '10000 examples', got {duration!r}"
    )
  amount = float(match[1])
  per_unit = {
      "step": 1,
      "epoch": size // batch_size,
      "example": 1 / batch_size,
      "%": (total or 0) / 100,
  }
  return round(amount * per_unit[match[2].rstrip("s")])


def grows(old: str, new: str) -> bool:
  """Whether a duration is a longer one in the same unit."""
  old, new = _DURATION.fullmatch(old), _DURATION.fullmatch(new)
  if not (old and new):
    return False
  same = old[2].rstrip("s") == new[2].rstrip("s")
  return same and float(new[1]) > float(old[1])


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

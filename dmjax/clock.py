"""Durations of a configuration, such as `200 epochs` or `500 steps`."""

import re

_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(steps?|epochs?|examples|%)\s*")


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
  match = _DURATION.fullmatch(duration)
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

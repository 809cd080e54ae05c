"""How sure a difference between two runs is, over the rows they were tried on."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np


class Interval(NamedTuple):
  """A difference, and its 95 % bootstrap interval."""

  difference: float
  low: float
  high: float


def of_means(
    a: np.ndarray, b: np.ndarray, *, resamples: int = 1000, seed: int = 0
) -> Interval:
  """The difference of means of paired rows, `mean(a - b)`.

  Args:
    a: `[N]`, a number for each row; NaN where a row does not count.
    b: `[N]`, of the same rows.
    resamples: How many samples of N rows are drawn, with replacement.
    seed: Of the draws.

  Returns:
    The difference with its percentile interval.

  Raises:
    ValueError: For rows that are not paired, and for none.
  """
  _check(a, b)
  paired = np.asarray(a, float) - np.asarray(b, float)
  paired = paired[~np.isnan(paired)]
  rng, size = np.random.default_rng(seed), len(paired)
  means = [paired[rng.integers(size, size=size)].mean() for _ in range(resamples)]
  return Interval(paired.mean(), *np.quantile(means, (0.025, 0.975)))


def of_metrics(
    metrics: Callable[[Sequence[np.ndarray]], tuple[Any, Any]],
    sizes: Sequence[int], *, resamples: int = 200, seed: int = 0,
) -> list[Interval]:
  """Differences of metrics that are no means over rows.

  Args:
    metrics: `rows of each case -> (a, b)`, the metric of each case, of two runs.
    sizes: Number of rows of each case.
    resamples: As in `of_means`.
    seed: Likewise.

  Returns:
    For each case the difference a - b with its percentile interval.
  """
  rng = np.random.default_rng(seed)
  whole = np.subtract(*metrics([np.arange(size) for size in sizes]))
  found = [
      np.subtract(*metrics([rng.integers(size, size=size) for size in sizes]))
      for _ in range(resamples)
  ]
  low, high = np.quantile(found, (0.025, 0.975), axis=0)
  return [Interval(*map(float, each)) for each in zip(whole, low, high)]


def _check(a, b):
  if np.shape(a) != np.shape(b) or not np.size(a):
    raise ValueError(
        f"a and b must be of the same rows, one or more, got shapes"
        f" {np.shape(a)} and {np.shape(b)}"
    )

"""Verification: are two examples of one class, such as a speaker? Exact.

In NumPy, on the host. A trial is a pair with a score; it is accepted where the
score reaches a threshold. A target is a trial of one class.
"""

import numpy as np


def trials(
    embeddings: np.ndarray, labels: np.ndarray, rows: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
  """Every pair of examples, once.

  Args:
    embeddings: `[N, D]`, of any length but 0.
    labels: `int[N]`.
    rows: `int[N]`, what each example is; pairs of an example with itself are
      left out. All are different if None.

  Returns:
    Cosines `float64[T]`, and which are targets, `bool[T]`.
  """
  rows = np.arange(len(labels)) if rows is None else np.asarray(rows)
  embeddings = np.asarray(embeddings, float)
  unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
  pairs = np.tri(len(rows), k=-1, dtype=bool) & (rows[:, None] != rows)
  return (unit @ unit.T)[pairs], (labels[:, None] == labels)[pairs]


def error_rates(
    scores: np.ndarray, targets: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Both errors at every threshold: each score there is, and one above all.

  Args:
    scores: `[T]`, of trials.
    targets: `bool[T]`.

  Returns:
    The share of the others that are accepted, falling from 1 to 0, and the share
    of the targets that are not, rising from 0 to 1, of each threshold.

  Raises:
    ValueError: For no targets, or nothing else.
  """
  scores, targets = np.asarray(scores), np.asarray(targets, bool)
  inside, outside = np.sort(scores[targets]), np.sort(scores[~targets])
  if not len(inside) or not len(outside):
    raise ValueError(
        "targets must hold trials of one class and of two, got"
        f" {len(inside)} and {len(outside)} of them"
    )
  thresholds = np.append(np.unique(scores), np.inf)
  accepted = len(outside) - np.searchsorted(outside, thresholds, "left")
  missed = np.searchsorted(inside, thresholds, "left")
  return accepted / len(outside), missed / len(inside)


def equal_error_rate(scores: np.ndarray, targets: np.ndarray) -> float:
  """Where both errors are equal, linear between neighbouring thresholds.

  Args:
    scores: `[T]`, of trials.
    targets: `bool[T]`.

  Returns:
    The rate, in [0, 1]; 1/2 if all scores are equal.

  Raises:
    ValueError: As `error_rates`.
  """
  accepted, missed = error_rates(scores, targets)
  gap = missed - accepted  # Rises from -1 to 1.
  after = int(np.argmax(gap >= 0))
  share = gap[after - 1] / (gap[after - 1] - gap[after])
  return float(missed[after - 1] + share * (missed[after] - missed[after - 1]))


def min_detection_cost(
    scores: np.ndarray, targets: np.ndarray, *, prior: float = 0.01
) -> float:
  """The least cost of any threshold (NIST), both errors of unit cost.

      min_t (p miss(t) + (1 - p) false_alarm(t)) / min(p, 1 - p)

  Args:
    scores: `[T]`, of trials.
    targets: `bool[T]`.
    prior: p, of a target, in (0, 1).

  Returns:
    The cost, in [0, 1]; 1 is that of deciding without the scores.

  Raises:
    ValueError: For a prior out of range, and as `error_rates`.
  """
  if not 0 < prior < 1:
    raise ValueError(f"prior must lie in (0, 1), got {prior}")
  accepted, missed = error_rates(scores, targets)
  costs = prior * missed + (1 - prior) * accepted
  return float(np.min(costs) / min(prior, 1 - prior))

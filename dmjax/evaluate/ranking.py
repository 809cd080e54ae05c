"""How well a score tells two groups apart: exact, ties included.

In NumPy, on the host. Scores are higher in the first group if all goes well:
for outliers the first group is the test data itself.
"""

import numpy as np


def auroc(inside: np.ndarray, outside: np.ndarray) -> float:
  """Area under the ROC curve: the chance that a pair is in order.

      P(s > t) + P(s = t) / 2,   s of `inside`, t of `outside`

  Args:
    inside: Scores `[N]`, to be high.
    outside: Scores `[M]`, to be low.

  Returns:
    The area, in [0, 1]; 1/2 if the score tells nothing.

  Raises:
    ValueError: For a group without scores.
  """
  _check(inside, outside)
  ordered = np.sort(outside)
  below = np.searchsorted(ordered, inside, "left").sum()
  not_above = np.searchsorted(ordered, inside, "right").sum()
  return float((below + not_above) / (2 * len(inside) * len(outside)))


def fpr_at_95_tpr(inside: np.ndarray, outside: np.ndarray) -> float:
  """Share of `outside` that passes where 95 % of `inside` do (FPR95).

  The threshold is the highest score of `inside` that at least 95 % of `inside`
  reach. Scores that are equal to it pass, in both groups.

  Args:
    inside: Scores `[N]`, to be high.
    outside: Scores `[M]`, to be low.

  Returns:
    The share, in [0, 1].

  Raises:
    ValueError: For a group without scores.
  """
  _check(inside, outside)
  # 95 % of N, rounded up, in whole numbers: 0.95 is none in binary.
  enough = -(-19 * len(inside) // 20)
  threshold = np.sort(inside)[len(inside) - enough]
  return float(np.mean(outside >= threshold))


def _check(inside, outside):
  if not len(inside) or not len(outside):
    raise ValueError(
        "inside and outside must each hold a score, got"
        f" {len(inside)} and {len(outside)} of them"
    )

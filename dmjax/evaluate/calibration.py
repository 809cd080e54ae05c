"""Calibration: whether a confidence of 0.8 is right in 8 cases of 10.

In NumPy, on the host: a temperature needs the logits of a whole split, and bins
of equal mass need the order of all confidences. No function depends on the
order of the rows.
"""

import numpy as np

BINS = 15
# Iterations of a bisection of log T, down to 1e-7 of it.
_HALVINGS = 27
_LIMITS = 0.01, 100.0


def log_softmax(logits: np.ndarray) -> np.ndarray:
  """Logarithms of probabilities, `float64[N, C]`, of logits `[N, C]`."""
  logits = _shifted(logits)
  return logits - np.log(np.exp(logits).sum(1, keepdims=True))


def brier(probabilities: np.ndarray, labels: np.ndarray) -> float:
  """Brier score, 0 at best and 2 at worst (Brier, 1950).

      mean_i sum_c (p_ic - [c = y_i])**2

  Args:
    probabilities: `[N, C]`, rows that sum to 1.
    labels: `int[N]`.

  Returns:
    The score.
  """
  own = probabilities[np.arange(len(labels)), labels]
  # The square of the row of the label, multiplied out.
  return float(np.mean((probabilities**2).sum(1) - 2 * own + 1))


def reliability(
    confidence: np.ndarray,
    hits: np.ndarray,
    *,
    bins: int = BINS,
    adaptive: bool = False,
) -> np.ndarray:
  """Confidence and accuracy, bin by bin of the confidence.

  Args:
    confidence: `[N]`, in [0, 1].
    hits: `[N]`, 1 where the prediction is right and 0 elsewhere.
    bins: Number of bins.
    adaptive: Bins of equally many rows, up to one, instead of the intervals
      `(i / bins, (i + 1) / bins]`. Rows of one confidence that two bins share
      count in both with their common accuracy.

  Returns:
    `float64[bins, 3]`: the number of rows, their mean confidence and their
    accuracy, zeros where a bin is empty.
  """
  confidence = np.asarray(confidence, np.float64)
  hits = np.asarray(hits, np.float64)
  if adaptive:
    index, hits = _equal_mass(confidence, hits, bins)
  else:
    index = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
  sums = (np.bincount(index, w, bins) for w in (confidence, hits))
  count = np.bincount(index, minlength=bins)
  return np.stack([count, *(s / np.maximum(count, 1) for s in sums)], axis=1)


def _equal_mass(confidence, hits, bins):
  """The bin of each row, and hits made equal where the confidences are.

  Many confidences are exactly 1 in float32. Whichever of them comes to lie in
  the last bin, it is then the same.
  """
  _, group, sizes = np.unique(
      confidence, return_inverse=True, return_counts=True
  )
  hits = (np.bincount(group, hits) / sizes)[group]
  index = np.empty(len(confidence), int)
  index[np.argsort(confidence)] = np.arange(len(index)) * bins // len(index)
  return index, hits


def expected_calibration_error(
    confidence: np.ndarray,
    hits: np.ndarray,
    *,
    bins: int = BINS,
    adaptive: bool = False,
) -> float:
  """Mean distance of accuracy and confidence (arXiv 1706.04599, eq. 3).

      sum_b n_b / N |accuracy_b - confidence_b|

  Args:
    confidence: `[N]`, in [0, 1].
    hits: `[N]`, 1 where the prediction is right and 0 elsewhere.
    bins: Number of bins.
    adaptive: Bins of equally many rows, see `reliability`
      (arXiv 1904.01685).

  Returns:
    The error, in [0, 1].
  """
  table = reliability(confidence, hits, bins=bins, adaptive=adaptive)
  count, mean, accuracy = table.T
  return float((count * np.abs(accuracy - mean)).sum() / count.sum())


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
  """The temperature T with the smallest NLL (arXiv 1706.04599, section 4.2).

      argmin_T  -mean_i log softmax(z_i / T)[y_i]

  The NLL is convex in 1 / T, so the sign of its slope says on which side of the
  minimum a temperature lies, and halving an interval of log T finds it.

  Args:
    logits: `[N, C]`, of rows that the metrics afterwards leave out.
    labels: `int[N]`.

  Returns:
    T, between 0.01 and 100. It is one of the two where no minimum lies between
    them: where every row is right, or no better than chance.
  """
  logits = _shifted(logits)
  low, high = np.log(_LIMITS)
  for _ in range(_HALVINGS):
    middle = (low + high) / 2
    too_sharp = _slope(logits, labels, np.exp(-middle)) > 0
    low, high = (middle, high) if too_sharp else (low, middle)
  return float(np.exp((low + high) / 2))


def _slope(logits, labels, sharpness):
  """`d NLL / d sharpness`, the sharpness being 1 / T."""
  p = np.exp(log_softmax(sharpness * logits))
  own = logits[np.arange(len(labels)), labels]
  return np.mean((p * logits).sum(1) - own)


def _shifted(logits):
  """Logits `float64[N, C]` whose largest of a row is 0."""
  logits = np.asarray(logits, np.float64)
  return logits - logits.max(1, keepdims=True)

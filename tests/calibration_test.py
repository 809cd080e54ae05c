"""Calibration and ranking against hand-computed values and brute force."""

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from scipy import optimize
from scipy import special

from dmjax.evaluate import calibration
from dmjax.evaluate import ranking

SEEDS = st.integers(0, 10**6)


def draw(seed, rows=60):
  """Confidences, many of them equal, and hits."""
  rng = np.random.default_rng(seed)
  confidence = np.round(rng.uniform(0, 1, rows), rng.integers(1, 4))
  return confidence, rng.uniform(size=rows) < confidence


def test_ece_equals_the_bins_by_hand():
  # Of four bins: (0, 1/4], (1/4, 1/2], (1/2, 3/4] and (3/4, 1].
  confidence = np.array([0.25, 0.3, 0.5, 0.8, 0.9, 1.0])
  hits = np.array([1, 0, 1, 1, 1, 0])
  table = calibration.reliability(confidence, hits, bins=4)
  expected = [[1, 0.25, 1], [2, 0.4, 0.5], [0, 0, 0], [3, 0.9, 2 / 3]]
  np.testing.assert_allclose(table, expected, rtol=1e-12)
  by_hand = (0.75 + 2 * 0.1 + 3 * (0.9 - 2 / 3)) / 6
  found = calibration.expected_calibration_error(confidence, hits, bins=4)
  assert found == pytest.approx(by_hand)


def test_adaptive_bins_hold_equally_many_rows():
  confidence = np.array([0.91, 0.5, 0.93, 0.94, 0.92, 0.99])
  hits = np.array([1, 0, 0, 1, 1, 1])
  table = calibration.reliability(confidence, hits, bins=3, adaptive=True)
  expected = [[2, 0.705, 0.5], [2, 0.925, 0.5], [2, 0.965, 1]]
  np.testing.assert_allclose(table, expected, rtol=1e-12)
  found = calibration.expected_calibration_error(
      confidence, hits, bins=3, adaptive=True
  )
  assert found == pytest.approx((0.205 + 0.425 + 0.035) / 3)


def test_rows_of_one_confidence_share_their_hits_between_adaptive_bins():
  hits = np.array([1, 1, 1, 0])
  table = calibration.reliability(np.ones(4), hits, bins=2, adaptive=True)
  np.testing.assert_allclose(table, [[2, 1, 0.75], [2, 1, 0.75]])


@pytest.mark.parametrize("rows", [1, 7, 59, 60])
def test_adaptive_bins_differ_by_a_row_at_most(rows):
  confidence, hits = draw(0, rows)
  count = calibration.reliability(confidence, hits, adaptive=True)[:, 0]
  assert count.sum() == rows and np.ptp(count) <= 1


@given(seed=SEEDS, adaptive=st.booleans())
def test_bins_do_not_depend_on_the_order_of_the_rows(seed, adaptive):
  confidence, hits = draw(seed)
  order = np.random.default_rng(seed + 1).permutation(len(hits))
  tables = [
      calibration.reliability(confidence[rows], hits[rows], adaptive=adaptive)
      for rows in (slice(None), order)
  ]
  np.testing.assert_allclose(*tables, rtol=1e-12)


@given(seed=SEEDS)
def test_ece_is_the_sum_over_bins_written_out(seed):
  confidence, hits = draw(seed)
  error = 0.0
  for b in range(15):
    inside = (confidence > b / 15) & (confidence <= (b + 1) / 15)
    inside |= (confidence == 0) & (b == 0)
    if inside.any():
      error += inside.sum() * abs((hits[inside] - confidence[inside]).mean())
  found = calibration.expected_calibration_error(confidence, hits)
  assert found == pytest.approx(error / len(hits))


def test_brier_by_hand():
  p = np.array([[0.5, 0.3, 0.2], [0, 1, 0], [1, 0, 0]])
  score = calibration.brier(p, np.array([0, 1, 2]))
  assert score == pytest.approx((0.25 + 0.09 + 0.04 + 0 + 2) / 3)


def test_log_softmax_is_that_of_scipy_and_finite():
  logits = np.float32([[1, 2, 3], [1e4, -1e4, 0], [0, 0, 0]])
  found = calibration.log_softmax(logits)
  expected = special.log_softmax(logits.astype(float), axis=1)
  np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("temperature", [0.1, 0.7, 1.0, 3.0, 20.0])
def test_the_temperature_of_scaled_logits_is_recovered(temperature):
  # Labels exactly as often as their probabilities say: NLL is least at T = 1.
  logits = np.log([[1 / 2, 1 / 3, 1 / 6], [1 / 6, 1 / 6, 2 / 3]])
  labels = np.array([[0, 0, 0, 1, 1, 2], [0, 1, 2, 2, 2, 2]]).ravel()
  rows = temperature * np.repeat(logits, 6, axis=0) + 5
  found = calibration.fit_temperature(rows, labels)
  assert found == pytest.approx(temperature, rel=1e-6)


@given(seed=SEEDS)
def test_the_temperature_is_what_minimises_the_nll(seed):
  rng = np.random.default_rng(seed)
  logits = rng.uniform(0.5, 5) * rng.normal(size=(200, 4))
  labels = np.where(
      rng.uniform(size=200) < 0.5, logits.argmax(1), rng.integers(4, size=200)
  )

  def nll(log_t):
    log_p = special.log_softmax(logits / np.exp(log_t), axis=1)
    return -log_p[np.arange(200), labels].mean()

  bounds = np.log([0.01, 100])
  expected = optimize.minimize_scalar(nll, bounds=bounds, method="bounded")
  found = np.log(calibration.fit_temperature(logits, labels))
  assert found == pytest.approx(expected.x, abs=0.01)
  assert nll(found) <= expected.fun + 1e-9


def test_without_a_minimum_the_temperature_is_a_limit():
  right, wrong = np.array([0, 1, 2]), np.array([1, 2, 0])
  assert calibration.fit_temperature(np.eye(3), right) == pytest.approx(0.01)
  assert calibration.fit_temperature(np.eye(3), wrong) == pytest.approx(100)


def scores(seed):
  """Two groups of few whole numbers, so with many ties."""
  rng = np.random.default_rng(seed)
  sizes = rng.integers(1, 50, 2)
  return rng.integers(2, 9, sizes[0]) / 4, rng.integers(0, 7, sizes[1]) / 4


@given(seed=SEEDS)
def test_auroc_is_the_share_of_pairs_in_order(seed):
  inside, outside = scores(seed)
  pairs = [(s > t) + (s == t) / 2 for s in inside for t in outside]
  assert ranking.auroc(inside, outside) == pytest.approx(np.mean(pairs))
  swapped = ranking.auroc(outside, inside)
  assert swapped == pytest.approx(1 - np.mean(pairs))


def test_auroc_at_its_limits():
  low, high = np.arange(3), np.arange(3, 7)
  assert ranking.auroc(high, low) == 1 and ranking.auroc(low, high) == 0
  assert ranking.auroc(np.zeros(5), np.zeros(2)) == 0.5


def test_fpr_at_95_tpr_by_hand():
  # 19 of these 20 reach 1, and so do 3 of the other four.
  inside, outside = np.arange(20), np.array([-1, 1, 5, 30])
  assert ranking.fpr_at_95_tpr(inside, outside) == 0.75
  # Of 19 all have to pass: 18 are less than 95 %.
  assert ranking.fpr_at_95_tpr(inside[:19], np.array([0, -1])) == 0.5
  assert ranking.fpr_at_95_tpr(np.zeros(3), np.zeros(3)) == 1


@given(seed=SEEDS)
def test_fpr_is_the_least_of_the_thresholds_that_pass_95_percent(seed):
  inside, outside = scores(seed)
  rates = [
      np.mean(outside >= t)
      for t in set(inside)
      if 20 * np.sum(inside >= t) >= 19 * len(inside)
  ]
  assert ranking.fpr_at_95_tpr(inside, outside) == min(rates)


@pytest.mark.parametrize("score", [ranking.auroc, ranking.fpr_at_95_tpr])
def test_a_group_without_scores_is_an_error(score):
  with pytest.raises(ValueError, match="got 3 and 0"):
    score(np.ones(3), np.ones(0))

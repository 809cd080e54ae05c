"""Bootstrap intervals of differences between two runs."""

import numpy as np
import pytest

from dmjax.evaluate import bootstrap


def hits(share, size=400, seed=0):
  return np.random.default_rng(seed).random(size) < share


def test_the_interval_is_that_of_the_standard_error():
  a, b = hits(0.8), hits(0.7, seed=1)
  found = bootstrap.of_means(a, b, resamples=4000)
  paired = a.astype(float) - b
  half = 1.96 * paired.std(ddof=1) / 20
  assert found.difference == pytest.approx(paired.mean())
  assert found.low == pytest.approx(found.difference - half, abs=0.006)
  assert found.high == pytest.approx(found.difference + half, abs=0.006)


def test_equal_rows_have_no_difference():
  a = hits(0.6)
  assert bootstrap.of_means(a, a) == (0.0, 0.0, 0.0)


def test_swapping_the_runs_mirrors_the_interval():
  a, b = hits(0.8), hits(0.7, seed=1)
  one, other = bootstrap.of_means(a, b), bootstrap.of_means(b, a)
  np.testing.assert_allclose(one, [-other[0], -other[2], -other[1]])


def test_a_metric_that_is_a_mean_has_the_same_interval():
  a, b = hits(0.8), hits(0.7, seed=1)
  means = lambda rows: ([a[rows[0]].mean()], [b[rows[0]].mean()])
  found, = bootstrap.of_metrics(means, [400], resamples=300)
  np.testing.assert_allclose(
      found, bootstrap.of_means(a, b, resamples=300), atol=1e-12
  )


def test_rows_that_do_not_count_are_left_out():
  a, b = hits(0.8).astype(float), hits(0.7, seed=1).astype(float)
  gaps = np.insert(a, 3, np.nan), np.insert(b, 3, np.nan)
  assert bootstrap.of_means(*gaps) == bootstrap.of_means(a, b)


def test_rows_that_are_not_paired_are_refused():
  with pytest.raises(ValueError, match=r"shapes \(3,\) and \(4,\)"):
    bootstrap.of_means(np.ones(3), np.ones(4))
  with pytest.raises(ValueError, match="one or more"):
    bootstrap.of_means(np.ones(0), np.ones(0))

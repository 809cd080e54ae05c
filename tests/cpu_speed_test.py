"""The experiment on CPU speed: the plain forms are those that are used."""

import jax
import numpy as np

from dmjax.mixers import saliency
from experiments import cpu_speed


def test_windows_of_gathered_rows_have_the_same_saliency():
  x = jax.random.uniform(jax.random.key(0), (3, 40, 31, 3))
  expected = jax.jit(cpu_speed.gathered)(x)
  np.testing.assert_array_equal(jax.jit(saliency.fine_grained)(x), expected)
  assert expected.std() > 0.1


def test_a_bump_is_a_row_times_a_column():
  key, shape = jax.random.key(0), (2, 9, 9, 1)
  whole, separable = (
      jax.jit(lambda key, whole=whole: cpu_speed.bumps(
          None, key, shape=shape, whole=whole
      ))(key)
      for whole in (True, False)
  )
  np.testing.assert_allclose(separable, whole, rtol=1e-5, atol=1e-7)


def test_the_page_has_the_ratio_of_every_pair():
  seconds = {
      ("lambda", "small", "plain"): np.array([0.004, 0.004]),
      ("lambda", "small", "used"): np.array([0.001, 0.001]),
      ("mixup", "small", "parts"): np.array([0.002, 0.002]),
  }
  text = cpu_speed.page(seconds, 2)
  assert "| lambda | small | 4.00 | 1.00 | 4.0 |" in text
  assert "| mixup | 2.00 | - |" in text

"""The measures of the experiments, on masks whose answer is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax.data import pipelines
from dmjax.data import sources
from dmjax.methods import Learned
from experiments import automix_cost
from experiments import automix_digits
from tests import tiny_config


@pytest.fixture(scope="module")
def data():
  config = tiny_config.get_config().data
  source = sources.open_source(config.name, config.test)
  return pipelines.open_pipeline(config, source, "test")


def measure(data, block):
  # The features are the images themselves.
  return automix_digits.measure(data, Learned(lambda x: x, block))


def test_a_mask_of_lambda_follows_it_and_ignores_the_ink(data):
  plain = lambda f, partner, lam, shape: jnp.broadcast_to(
      lam[:, None, None], (*lam.shape, *shape)
  )
  found = measure(data, plain)
  np.testing.assert_allclose(found["correlation"], 1, atol=1e-5)
  np.testing.assert_allclose(found["gap"], 0, atol=1e-6)
  assert abs(found["on_first"] - found["on_second"]) < 0.1


def test_a_mask_of_the_ink_is_told_by_where_it_is(data):
  def ink(features, partner, lam, shape):
    del lam, shape
    own, other = features[..., 0], features[partner][..., 0]
    return jax.nn.sigmoid(10 * (own - other))

  found = measure(data, ink)
  assert found["on_first"] > 0.95 and found["on_second"] < 0.05
  assert abs(found["correlation"]) < 0.5


def test_tables_name_their_rows_and_ratios():
  keys = automix_cost.COLUMNS
  rows = [("mixup", 10, 4, 2), ("AutoMix", 25, 8, 6)]
  table = automix_cost.markdown([dict(zip(keys, row)) for row in rows])
  assert "| AutoMix | 25 | 2.50 | 8 | 2.00 | 6 | 3.00 |" in table
  keys = automix_digits.COLUMNS
  rows = [("gap", 0.25, 0.125), ("top-1", None, 1.0)]
  table = automix_digits.markdown([dict(zip(keys, row)) for row in rows])
  assert "| gap | 0.250 | 0.125 |" in table and "| top-1 | - | 1.000 |" in table

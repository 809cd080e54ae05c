"""The losses against golden values, worked examples and edges."""

import functools
import itertools
import os
import pathlib

from absl.testing import parameterized
import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import losses
from tests.losses_programs import binary_ce
from tests.losses_programs import decoupled_ce
from tests.losses_programs import draw
from tests.losses_programs import mixup_ce

SHARED = pathlib.Path(
    os.environ.get("DMJAX_SHARED", pathlib.Path(__file__).parents[2] / "shared")
)
GOLDEN = SHARED / "golden" / "losses.npz"
needs_golden = pytest.mark.skipif(
    not GOLDEN.exists(), reason="the golden values are not on this machine"
)

# Five classes, a mix of 0 and 1 with lambda 0.7; values from the formulas.
LOGITS = np.array([[2.0, 0.5, -1.0, 0.0, 1.0]])
PAIR = np.array([[0, 1]])
WEIGHTS = np.array([[0.7, 0.3]])


@needs_golden
@pytest.mark.parametrize("dtype,tolerance", (("float64", 1e-6), ("float32", 1e-5)))
def test_values_and_gradients_equal_the_reference(dtype, tolerance):
  golden = np.load(GOLDEN)
  with jax.enable_x64(dtype == "float64"):
    for case in range(int(golden["cases"])):
      _check_golden_case(golden, f"case{case:02d}_", dtype, tolerance)


def _check_golden_case(golden, case, dtype, tolerance):
  read = lambda name: golden[case + name]
  labels = read("labels").astype(np.int32)
  lam, eta = float(read("lam")), float(read("eta"))
  weights = np.tile([[lam, 1 - lam]], (len(labels), 1))
  # At lambda 0.5 the reference loses its decoupled term and stores eta = 0.
  assert (eta == 0) == (lam == 0.5)
  options = eta, float(read("bce_threshold")), float(read("bce_power"))
  found = _means_and_gradients(
      jnp.asarray(read("logits"), dtype), labels, weights, *options
  )
  for name, (value, grad) in found.items():
    assert value.dtype == dtype
    np.testing.assert_allclose(value, read(name), rtol=tolerance)
    expected = read(name + "_grad")
    atol = tolerance * np.abs(expected).max()
    np.testing.assert_allclose(grad, expected, atol=atol, rtol=0)


@jax.jit
def _means_and_gradients(logits, labels, weights, eta, threshold, power):
  named = {
      "mce": losses.mixup_cross_entropy,
      "dm": functools.partial(losses.decoupled_cross_entropy, eta=eta),
      "bce": functools.partial(
          losses.mixup_binary_cross_entropy, threshold=threshold, power=power
      ),
  }
  return {
      name: jax.value_and_grad(
          lambda z, loss=loss: loss(z, labels, weights).mean()
      )(logits)
      for name, loss in named.items()
  }


@pytest.mark.parametrize(
    "lam,expected", ((0.7, 1.0244379396), (0.5, 1.3244379396), (0.2, 1.7744379396))
)
def test_mixup_cross_entropy_of_the_worked_example(lam, expected):
  value = mixup_ce(LOGITS, PAIR, np.array([[lam, 1 - lam]]))
  np.testing.assert_allclose(value, [expected], rtol=1e-6)


def test_decoupled_terms_of_the_worked_example():
  plain = mixup_ce(LOGITS, PAIR, WEIGHTS)
  term = lambda **options: decoupled_ce(
      LOGITS, PAIR, WEIGHTS, eta=1.0, **options
  ) - plain
  np.testing.assert_allclose(term(where=(True, False)), [0.4401896986], rtol=1e-5)
  np.testing.assert_allclose(term(where=(False, True)), [1.2465672692], rtol=1e-5)
  np.testing.assert_allclose(term(), [1.6867569677], rtol=1e-5)
  three = decoupled_ce(
      LOGITS, np.array([[0, 1, 4]]), np.full((1, 3), 1 / 3), eta=1.0
  ) - mixup_ce(
      LOGITS, np.array([[0, 1, 4]]), np.full((1, 3), 1 / 3)
  )
  np.testing.assert_allclose(three, [1.1815825893], rtol=1e-5)


def test_gradient_of_the_worked_example():
  grad = jax.grad(lambda z: decoupled_ce(z, PAIR, WEIGHTS).sum())
  expected = (-0.17258734, -0.24562398, 0.03765181, 0.10234822, 0.27821130)
  np.testing.assert_allclose(grad(jnp.asarray(LOGITS))[0], expected, atol=1e-6)


@pytest.mark.parametrize(
    "threshold,power,expected",
    ((1, 1, 3.8706755508), (1, 0.8, 3.7263193120),
     (0.8, 0.5, 3.2436606395), (1, 0.5, 3.4734942190)),
)
def test_binary_cross_entropy_of_the_worked_example(threshold, power, expected):
  value = binary_ce(
      LOGITS, PAIR, WEIGHTS, threshold=threshold, power=power
  )
  np.testing.assert_allclose(value, [expected], rtol=1e-6)


def test_half_and_half_carries_both_terms():
  logits, labels = LOGITS, PAIR
  half = np.array([[0.5, 0.5]])
  gained = decoupled_ce(logits, labels, half, eta=1.0)
  gained -= mixup_ce(logits, labels, half)
  np.testing.assert_allclose(gained, [1.6867569677], rtol=1e-5)


def test_select_keeps_the_smaller_or_the_larger_share():
  loss = functools.partial(decoupled_ce, eta=1.0)
  both, less, more = (
      loss(LOGITS, PAIR, WEIGHTS, select=name) for name in ("both", "less", "more")
  )
  minor = loss(LOGITS, PAIR, WEIGHTS, where=(False, True))
  major = loss(LOGITS, PAIR, WEIGHTS, where=(True, False))
  np.testing.assert_allclose(less, minor)
  np.testing.assert_allclose(more, major)
  plain = mixup_ce(LOGITS, PAIR, WEIGHTS)
  np.testing.assert_allclose(both, less + more - plain, rtol=1e-6)


def test_power_one_weighs_each_term_by_its_share():
  plain = mixup_ce(LOGITS, PAIR, WEIGHTS)
  linear = decoupled_ce(
      LOGITS, PAIR, WEIGHTS, eta=1.0, power=1.0
  )
  expected = 0.7 * 0.4401896986 + 0.3 * 1.2465672692
  np.testing.assert_allclose(linear - plain, [expected], rtol=1e-5)


DTYPES = (jnp.float32, jnp.bfloat16)
EDGES = {
    "same class": ([[3, 3]], [[0.4, 0.6]]),
    "lambda 0": ([[0, 3]], [[0.0, 1.0]]),
    "lambda half": ([[0, 3]], [[0.5, 0.5]]),
    "lambda 1": ([[0, 3]], [[1.0, 0.0]]),
    "three, repeated": ([[1, 1, 2]], [[0.2, 0.3, 0.5]]),
    "every class": ([[0, 1, 2, 3]], [[0.1, 0.2, 0.3, 0.4]]),
}


@pytest.mark.parametrize("sources", (2, 3, 4))
@pytest.mark.parametrize("classes", (2, 4))
def test_values_and_gradients_are_finite_at_the_edges(sources, classes):
  """Each edge with logits of four scales, a row for each of them."""
  edges = [edge for edge in EDGES.values() if len(edge[0][0]) == sources]
  labels, weights = (
      np.repeat(np.concatenate(part), 4, axis=0) for part in zip(*edges)
  )
  scales = np.tile([1.0, -1.0, 1e4, -1e4], len(edges))
  signs = np.array([1.0, -1.0, 0.5, -0.3])[:classes]
  logits = np.float32(scales[:, None] * signs)
  found = _values_and_gradients(logits, labels % classes, np.float32(weights))
  for (name, dtype), (values, grads) in found.items():
    assert values.dtype == jnp.float32 and grads[0].dtype == dtype
    assert np.all(np.isfinite(values)), name
    assert all(np.all(np.isfinite(grad.astype(float))) for grad in grads), name


def _values_and_gradients(logits, labels, weights):
  """Of each loss, with logits of either dtype."""
  named = {
      "mixup": losses.mixup_cross_entropy,
      "decoupled": losses.decoupled_cross_entropy,
      "less": functools.partial(
          losses.decoupled_cross_entropy, power=0.5, select="less"
      ),
      "binary": functools.partial(losses.mixup_binary_cross_entropy, power=0.5),
  }

  @jax.jit
  def every(logits, weights):
    found = []
    for dtype, loss in itertools.product(DTYPES, named.values()):
      z = logits.astype(dtype)
      values, pull = jax.vjp(lambda z, w: loss(z, labels, w), z, weights)
      found.append((values, pull(jnp.ones_like(values))))
    return found

  keys = [(name, dtype) for dtype in DTYPES for name in named]
  return dict(zip(keys, every(logits, weights), strict=True))


class Variants(chex.TestCase):

  @chex.variants(with_jit=True, without_jit=True, with_pmap=True)
  @parameterized.parameters(
      "mixup_cross_entropy",
      "decoupled_cross_entropy",
      "mixup_binary_cross_entropy",
  )
  def test_every_transformation_gives_the_same_losses(self, name):
    loss = getattr(losses, name)
    logits, labels, weights = (jnp.asarray(a) for a in draw(4))
    value = self.variant(loss)(logits, labels, weights)
    chex.assert_shape(value, (6,))
    chex.assert_trees_all_close(value, loss(logits, labels, weights), rtol=1e-5)


def test_shards_have_the_losses_of_their_rows_under_shard_map():
  """With the default checks, value and gradient of every loss, and all masks."""
  mesh = jax.sharding.Mesh(np.array(jax.devices()[:2]), ("devices",))
  rows = jax.sharding.PartitionSpec("devices")
  mask = jnp.asarray(np.random.default_rng(0).random((6, 4, 4), np.float32))

  def every(logits, labels, weights, mask):
    value_and_grad = lambda loss: jax.vjp(
        lambda z: loss(z, labels, weights), logits
    )
    found = []
    for loss in losses.LOSSES.values():
      values, pull = value_and_grad(loss)
      found += [values, *pull(jnp.ones_like(values))]
    for loss in (losses.mask_l1, losses.mask_l2, losses.mask_sparsity):
      found.append(loss(mask, weights[:, 0]))
    return found, losses.soft_labels(labels, weights, 7)

  inputs = (*(jnp.asarray(a) for a in draw(4)), mask)
  sharded = jax.shard_map(every, mesh=mesh, in_specs=rows, out_specs=rows)
  chex.assert_trees_all_close(
      jax.jit(sharded)(*inputs), jax.jit(every)(*inputs), rtol=1e-5, atol=1e-6
  )

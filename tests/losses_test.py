"""The losses against golden values, brute force, and their properties."""

import functools
import itertools
import os
import pathlib

from absl.testing import parameterized
import chex
from hypothesis import given
from hypothesis import strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import losses
from dmjax.losses import _cross_entropy

SHARED = pathlib.Path(
    os.environ.get("DMJAX_SHARED", pathlib.Path(__file__).parents[2] / "shared")
)
GOLDEN = SHARED / "golden" / "losses.npz"
needs_golden = pytest.mark.skipif(
    not GOLDEN.exists(), reason="the golden values are not on this machine"
)

# Eager calls compile every operation by itself: most tests share programs.
mixup_ce, decoupled_ce, binary_ce = (
    jax.jit(loss, static_argnames=("label_smoothing", *options))
    for loss, *options in (
        (losses.mixup_cross_entropy,),
        (losses.decoupled_cross_entropy, "select"),
        (losses.mixup_binary_cross_entropy,),
    )
)

# Five classes, a mix of 0 and 1 with lambda 0.7; values from the formulas.
LOGITS = np.array([[2.0, 0.5, -1.0, 0.0, 1.0]])
PAIR = np.array([[0, 1]])
WEIGHTS = np.array([[0.7, 0.3]])


def draw(seed, batch=6, classes=7, sources=2, scale=3.0):
  """Random logits, labels (distinct and repeated) and weights."""
  rng = np.random.default_rng(seed)
  return (
      scale * rng.normal(size=(batch, classes)),
      rng.integers(classes, size=(batch, sources)),
      rng.dirichlet(np.ones(sources), size=batch),
  )


def brute_force(logits, labels, weights, eta):
  """Deletes the columns of the other classes, then log-softmax, in NumPy."""

  def log_softmax(z):
    z = z - z.max()
    return z - np.log(np.exp(z).sum())

  totals = []
  for z, row, w in zip(logits, labels, weights):
    share = {}
    for label, weight in zip(row, w):
      share[label] = share.get(label, 0) + weight
    share = {label: weight for label, weight in share.items() if weight > 0}
    total = -sum(w * log_softmax(z)[c] for c, w in share.items())
    for c in share if len(share) > 1 else ():
      kept = [i for i in range(len(z)) if i == c or i not in share]
      total -= eta * log_softmax(z[kept])[kept.index(c)]
    totals.append(total)
  return np.array(totals)


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


@given(seed=st.integers(0, 10**6), sources=st.integers(1, 4))
def test_decoupled_loss_equals_deleting_columns(seed, sources):
  logits, labels, weights = draw(seed, sources=sources)
  value = decoupled_ce(logits, labels, weights, eta=0.3)
  expected = brute_force(logits, labels, weights, 0.3)
  np.testing.assert_allclose(value, expected, rtol=2e-5, atol=1e-5)


@given(seed=st.integers(0, 10**6), sources=st.integers(1, 4))
def test_eta_zero_is_mixup_cross_entropy(seed, sources):
  logits, labels, weights = draw(seed, sources=sources)
  plain = mixup_ce(logits, labels, weights)
  value = decoupled_ce(logits, labels, weights, eta=0.0)
  np.testing.assert_allclose(value, plain, rtol=1e-5, atol=1e-6)


@given(seed=st.integers(0, 10**6))
def test_a_term_has_no_gradient_on_the_other_class(seed):
  logits, _, weights = (jnp.asarray(a, jnp.float32) for a in draw(seed))
  labels = jnp.array([[k, (k + 2) % 7] for k in range(6)])
  grads = _term_gradients(logits, labels, weights)
  for k in (0, 1):
    other = grads[jnp.arange(6), k, labels[:, 1 - k]]
    np.testing.assert_array_equal(other, np.zeros(6))
    own = grads[jnp.arange(6), k, labels[:, k]]
    assert np.all(own < 0)


@jax.jit
def _term_gradients(logits, labels, weights):
  """Of both decoupled terms of every row, `[B, 2, C]`."""
  def terms(z, y, w):
    scores = [z[c] for c in y]
    return jnp.stack(_cross_entropy._log_z_and_terms(z, y, w, w, scores)[1])

  return jax.vmap(jax.jacobian(terms))(logits, labels, weights)


def test_second_derivatives_equal_those_of_deleting_columns():
  """The first row's logits are all tied, where a maximum has no derivative."""
  logits = jnp.asarray(draw(3)[0], jnp.float32)
  logits *= jnp.array([0.0, 0.3, 1.0, 1.0, 3.0, 10.0])[:, None]
  labels, weights = jnp.array([[1, 4]] * 6), jnp.array([[0.3, 0.7]] * 6)

  def deleted(z):
    others = [0, 2, 3, 5, 6]
    total = -0.3 * jax.nn.log_softmax(z)[1] - 0.7 * jax.nn.log_softmax(z)[4]
    for k in (1, 4):
      total -= 0.1 * jax.nn.log_softmax(z[jnp.array([k, *others])])[0]
    return total

  def loss(z, y, w):
    return decoupled_ce(z[None], y[None], w[None])[0]

  found = jax.jit(jax.vmap(jax.hessian(loss)))(logits, labels, weights)
  expected = jax.jit(jax.vmap(jax.hessian(deleted)))(logits)
  np.testing.assert_allclose(found, expected, atol=1e-6)


@given(seed=st.integers(0, 10**6), shift=st.floats(-50, 50))
def test_a_constant_added_to_logits_changes_nothing(seed, shift):
  logits, labels, weights = draw(seed)
  value = decoupled_ce(logits, labels, weights)
  shifted = decoupled_ce(logits + shift, labels, weights)
  np.testing.assert_allclose(value, shifted, rtol=1e-4, atol=1e-4)


@given(seed=st.integers(0, 10**6))
def test_row_order_does_not_matter(seed):
  logits, labels, weights = draw(seed)
  order = np.random.default_rng(seed).permutation(len(logits))
  loss = decoupled_ce
  np.testing.assert_array_equal(
      loss(logits, labels, weights)[order],
      loss(logits[order], labels[order], weights[order]),
  )


@given(seed=st.integers(0, 10**6))
def test_swapping_the_pair_changes_nothing(seed):
  logits, labels, weights = draw(seed)
  for select in ("both", "less", "more"):
    loss = functools.partial(decoupled_ce, select=select, power=0.5)
    np.testing.assert_allclose(
        loss(logits, labels, weights),
        loss(logits, labels[:, ::-1], weights[:, ::-1]),
        rtol=1e-5, atol=1e-6,
    )


@given(seed=st.integers(0, 10**6))
def test_mixup_cross_entropy_is_linear_in_the_weights(seed):
  logits, labels, weights = draw(seed)
  ends = [
      mixup_ce(logits, labels[:, k : k + 1], np.ones((6, 1)))
      for k in (0, 1)
  ]
  mixed = mixup_ce(logits, labels, weights)
  expected = weights[:, 0] * ends[0] + weights[:, 1] * ends[1]
  np.testing.assert_allclose(mixed, expected, rtol=1e-5)


@given(seed=st.integers(0, 10**6))
def test_repeated_classes_are_one_class_with_their_joint_weight(seed):
  logits, labels, weights = draw(seed)
  split = np.stack([weights[:, 0] * 0.4, weights[:, 1], weights[:, 0] * 0.6], 1)
  repeated = labels[:, [0, 1, 0]]
  options = {"eta": 0.5, "power": 0.7, "select": "less"}
  np.testing.assert_allclose(
      decoupled_ce(logits, repeated, split, **options),
      decoupled_ce(logits, labels, weights, **options),
      rtol=1e-5, atol=1e-6,
  )


def test_same_class_pairs_carry_no_decoupled_term():
  logits, labels, weights = draw(0)
  labels[:, 1] = labels[:, 0]
  value = decoupled_ce(logits, labels, weights, eta=5.0)
  plain = mixup_ce(logits, labels, weights)
  np.testing.assert_allclose(value, plain, rtol=1e-5)


def test_a_source_of_weight_zero_is_not_in_the_mix():
  logits, labels, _ = draw(0)
  ones = np.tile([[1.0, 0.0]], (6, 1))
  value = decoupled_ce(logits, labels, ones, eta=5.0)
  plain = mixup_ce(logits, labels, ones)
  np.testing.assert_allclose(value, plain, rtol=1e-5)


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


@given(seed=st.integers(0, 10**6), smoothing=st.sampled_from((0.0, 0.1)))
def test_one_hot_labels_equal_integer_labels(seed, smoothing):
  logits, labels, weights = draw(seed)
  one_hot = np.eye(7)[labels]
  for loss in (mixup_ce, decoupled_ce, binary_ce):
    options = {"label_smoothing": smoothing}
    np.testing.assert_allclose(
        loss(logits, one_hot, weights, **options),
        loss(logits, labels, weights, **options),
        rtol=1e-5,
    )


@given(seed=st.integers(0, 10**6))
def test_smoothing_first_equals_the_mixed_soft_label(seed):
  logits, labels, weights = draw(seed)
  target = losses.soft_labels(labels, weights, 7, label_smoothing=0.1)
  np.testing.assert_allclose(target.sum(1), np.ones(6), rtol=1e-6)
  expected = -(target * jax.nn.log_softmax(jnp.float32(logits))).sum(1)
  value = mixup_ce(
      logits, labels, weights, label_smoothing=0.1
  )
  np.testing.assert_allclose(value, expected, rtol=1e-4)


@given(seed=st.integers(0, 10**6))
def test_binary_targets_are_clipped_to_one(seed):
  logits, labels, weights = draw(seed)
  labels[:, 1] = labels[:, 0]
  value = binary_ce(logits, labels, weights, power=0.2)
  plain = binary_ce(
      logits, labels[:, :1], np.ones((6, 1))
  )
  np.testing.assert_allclose(value, plain, rtol=1e-5)
  assert np.all(value >= 0)


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


def test_confident_in_a_mixed_class_is_exact():
  """Where 1 - p vanishes in float32, the decoupled term is still right."""
  logits = np.array([[200.0, 0.0, 1.0, 0.5]])
  value = decoupled_ce(logits, PAIR, np.array([[0.5, 0.5]]))
  expected = brute_force(logits, PAIR, np.array([[0.5, 0.5]]), 0.1)
  np.testing.assert_allclose(value, expected, rtol=1e-6)


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

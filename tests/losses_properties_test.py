"""The losses against brute force, and their properties."""

import functools

from hypothesis import given
from hypothesis import strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import losses
from dmjax.losses import _cross_entropy
from tests.losses_programs import binary_ce
from tests.losses_programs import decoupled_ce
from tests.losses_programs import draw
from tests.losses_programs import mixup_ce

PAIR = np.array([[0, 1]])


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


def hard_targets(labels, weights, threshold, power, smoothing, cut):
  """Rescaled, smoothed, mixed, clipped, and cut last of all, in NumPy."""
  shares = np.minimum((weights / threshold) ** power, 1)
  one_hot = (1 - smoothing) * np.eye(7)[labels] + smoothing / 7
  soft = np.minimum(np.einsum("bk,bkc->bc", shares, one_hot), 1)
  return np.where(soft > cut, 1.0, 0.0)


@pytest.mark.parametrize("smoothing", (0.0, 0.1))
@pytest.mark.parametrize("sources", (2, 3))
def test_a_target_threshold_makes_the_final_targets_hard(sources, smoothing):
  logits, labels, weights = draw(sources, sources=sources)
  loss = functools.partial(binary_ce, label_smoothing=smoothing)
  total = jax.jit(jax.value_and_grad(
      lambda z, w, **options: jnp.sum(loss(z, labels, w, **options)), (0, 1)
  ))
  seen = set()
  for cut, threshold, power in ((0.0, 1, 1), (0.2, 1, 1), (0.5, 0.6, 0.5)):
    options = {"threshold": threshold, "power": power}
    t = hard_targets(labels, weights, **options, smoothing=smoothing, cut=cut)
    expected = np.sum(np.logaddexp(0, logits) - t * logits)
    value, (of_logits, of_weights) = total(
        np.float32(logits), np.float32(weights), **options, target_threshold=cut
    )
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    gradient = 1 / (1 + np.exp(-logits)) - t
    np.testing.assert_allclose(of_logits, gradient, atol=1e-6)
    np.testing.assert_array_equal(of_weights, 0)
    seen.add(t.sum())
  assert len(seen) > 1


def test_a_target_that_equals_its_threshold_is_zero():
  """Logits of 1 lose 1 of the loss with each target that is 1."""
  halves, ones = np.full((1, 2), 0.5), np.ones((1, 7))
  loss = functools.partial(binary_ce, ones, PAIR, halves)
  none, both = (loss(target_threshold=cut) for cut in (0.5, 0.49))
  np.testing.assert_allclose(none - both, 2, rtol=1e-6)


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


def test_confident_in_a_mixed_class_is_exact():
  """Where 1 - p vanishes in float32, the decoupled term is still right."""
  logits = np.array([[200.0, 0.0, 1.0, 0.5]])
  value = decoupled_ce(logits, PAIR, np.array([[0.5, 0.5]]))
  expected = brute_force(logits, PAIR, np.array([[0.5, 0.5]]), 0.1)
  np.testing.assert_allclose(value, expected, rtol=1e-6)

"""The term of MixupE against twins, its properties, edges and errors."""

import functools

from absl.testing import parameterized
import chex
from hypothesis import given
from hypothesis import strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import losses
from tests.mixupe_test import LABELS
from tests.mixupe_test import LOGITS

term = jax.jit(losses.mixupe, static_argnames="variant")


def softmax(z):
  powers = np.exp(z - z.max(axis=1, keepdims=True))
  return powers / powers.sum(axis=1, keepdims=True)


def terms_by_hand(variant, z, y, tau, slopes):
  """Of whole vectors y and g, in NumPy."""
  error = np.eye(z.shape[1])[y] - softmax(z)
  margin = np.einsum("bc,bc->b", z, error)
  if variant in losses.MIXUPE_OF_SLOPES:
    derivative = np.einsum("bc,bc->b", slopes, -error)
  return {
      "accurate": lambda: derivative * (derivative < tau),
      "absolute": lambda: np.maximum(derivative, -derivative),
      "fast": lambda: -margin * (margin < tau),
      "detached": lambda: -margin,
      "speech": lambda: np.minimum(margin, -margin),
  }[variant]()


def drawn(seed, batch=6, classes=5, scale=2.0):
  rng = np.random.default_rng(seed)
  logits = scale * rng.normal(size=(batch, classes))
  slopes = scale * rng.normal(size=(batch, classes))
  return logits, rng.integers(classes, size=batch), slopes


def options_of(variant, slopes):
  of_slopes = variant in losses.MIXUPE_OF_SLOPES
  return {"variant": variant} | ({"slopes": slopes} if of_slopes else {})


@given(
    seed=st.integers(0, 10**6), tau=st.floats(-3, 3),
    variant=st.sampled_from(losses.MIXUPE_VARIANTS),
)
def test_terms_equal_those_written_out(seed, tau, variant):
  z, y, slopes = drawn(seed)
  found = term(z, y, tau=tau, **options_of(variant, slopes))
  expected = terms_by_hand(variant, z, y, tau, slopes)
  np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@functools.cache
def mlp(bias):
  """A ReLU network of two layers, its Jacobian of each row, and its terms."""
  rng = np.random.default_rng(3)
  w, v = rng.normal(size=(4, 16)), rng.normal(size=(16, 5))
  b = rng.normal(size=16) * bias

  def of_one(x):
    return jax.nn.relu(x @ jnp.float32(w) + jnp.float32(b)) @ jnp.float32(v)

  apply = jax.vmap(of_one)
  return (
      jax.jit(apply),
      jax.jit(jax.vmap(jax.jacrev(of_one))),
      jax.jit(functools.partial(losses.directional_derivative, apply)),
  )


@pytest.mark.parametrize("seed", range(4))
def test_slopes_equal_whole_jacobians_times_the_direction(seed):
  apply, jacobian, derivative = mlp(bias=True)
  x, mean = np.random.default_rng(seed).normal(size=(2, 7, 4)).astype("f")
  for mean in (mean, mean[0]):  # One for each example, or for all.
    logits, slopes = derivative(x, mean)
    direction = np.broadcast_to(mean, x.shape) - x
    expected = np.einsum("bcd,bd->bc", jacobian(x), direction)
    np.testing.assert_allclose(logits, apply(x), rtol=1e-5)
    np.testing.assert_allclose(slopes, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_without_biases_the_derivative_towards_zero_is_the_margin(seed):
  apply, _, derivative = mlp(bias=False)
  rng = np.random.default_rng(seed)
  x, y = rng.normal(size=(7, 4)).astype("f"), rng.integers(5, size=7)
  logits, slopes = derivative(x, np.zeros(4, "f"))
  _, along = jax.jit(lambda x: jax.jvp(apply, (x,), (x,)))(x)
  np.testing.assert_allclose(along, logits, rtol=1e-5, atol=1e-5)
  # The same number, which one variant adds and the other subtracts.
  accurate = term(logits, y, variant="accurate", slopes=slopes)
  fast = term(logits, y, variant="fast")
  assert np.any(fast != 0)
  np.testing.assert_allclose(accurate, -fast, rtol=1e-4, atol=1e-5)


@given(seed=st.integers(0, 10**6), shift=st.floats(-50, 50))
def test_a_constant_added_to_logits_changes_nothing(seed, shift):
  """So log-probabilities will do as well."""
  z, y, slopes = drawn(seed)
  for variant in losses.MIXUPE_VARIANTS:
    options = options_of(variant, slopes) | {"tau": 100.0}
    found = term(z + shift, y, **options)
    np.testing.assert_allclose(found, term(z, y, **options), atol=2e-4)


@given(seed=st.integers(0, 10**6))
def test_variants_differ_as_the_table_says(seed):
  z, y, slopes = drawn(seed)
  of = lambda variant, tau=1e3: np.asarray(
      term(z, y, tau=tau, **options_of(variant, slopes))
  )
  np.testing.assert_array_equal(of("fast"), of("detached"))
  np.testing.assert_array_equal(of("speech"), -np.abs(of("detached")))
  np.testing.assert_array_equal(of("absolute"), np.abs(of("accurate")))
  for variant in ("fast", "accurate"):
    np.testing.assert_array_equal(of(variant, -1e3), 0)


@given(seed=st.integers(0, 10**6))
def test_rows_and_classes_may_change_places(seed):
  z, y, slopes = drawn(seed)
  rng = np.random.default_rng(seed)
  rows, classes = rng.permutation(len(z)), rng.permutation(z.shape[1])
  z_moved, slopes_moved = (v[rows][:, np.argsort(classes)] for v in (z, slopes))
  for variant in losses.MIXUPE_VARIANTS:
    found = term(z_moved, classes[y[rows]], **options_of(variant, slopes_moved))
    expected = term(z, y, **options_of(variant, slopes))
    np.testing.assert_allclose(found, expected[rows], rtol=1e-4, atol=1e-5)


def test_gradients_flow_where_the_table_says():
  z, y, slopes = (jnp.asarray(a, dtype) for a, dtype in zip(
      drawn(0), ("float32", "int32", "float32")
  ))
  error = np.eye(5)[y] - softmax(np.asarray(z))

  @functools.partial(jax.jit, static_argnames="variant")
  def gradients(z, slopes, variant):
    total = lambda z, slopes: jnp.sum(
        losses.mixupe(z, y, tau=100.0, **options_of(variant, slopes))
    )
    return jax.grad(total, (0, 1))(z, slopes)

  of_z, of_slopes = gradients(z, slopes, "accurate")
  np.testing.assert_array_equal(of_z, 0)
  np.testing.assert_allclose(of_slopes, -error, atol=1e-6)
  of_z, _ = gradients(z, slopes, "detached")
  np.testing.assert_allclose(of_z, -error, atol=1e-6)
  # Both factors: -(y - g) + (diag(g) - g g^T) z.
  g = softmax(np.asarray(z))
  both = g * z - g * np.sum(g * z, axis=1, keepdims=True) - error
  of_z, _ = gradients(z, slopes, "fast")
  np.testing.assert_allclose(of_z, both, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("classes", (1, 2, 4))
def test_values_and_gradients_are_finite_at_the_edges(classes):
  """Logits of four scales, right and wrong, equal ones, in either dtype."""
  signs = np.array([1.0, -1.0, 0.5, -0.3])[:classes]
  scales = np.array([1.0, -1.0, 1e4, -1e4, 0.0])
  logits = jnp.asarray(scales[:, None] * signs, jnp.float32)

  @jax.jit
  def every(logits, slopes):
    found = []
    for dtype in (jnp.float32, jnp.bfloat16):
      for variant in losses.MIXUPE_VARIANTS:
        for label in (0, classes - 1):
          labels = jnp.full(5, label)
          values, pull = jax.vjp(
              lambda z, v: losses.mixupe(
                  z, labels, **options_of(variant, v)
              ),
              logits.astype(dtype), slopes.astype(dtype),
          )
          found.append((values, *pull(jnp.ones_like(values))))
    return found

  for values, *grads in every(logits, -logits):
    assert values.dtype == jnp.float32
    for leaf in (values, *grads):
      assert np.all(np.isfinite(leaf.astype(jnp.float32)))


class Variants(chex.TestCase):

  @chex.variants(with_jit=True, without_jit=True, with_pmap=True)
  @parameterized.parameters(*losses.MIXUPE_VARIANTS)
  def test_every_transformation_gives_the_same_terms(self, variant):
    z, y, slopes = (jnp.asarray(a) for a in drawn(4))
    loss = lambda z, y, slopes: losses.mixupe(
        z, y, **options_of(variant, slopes)
    )
    found = self.variant(loss)(z, y, slopes)
    chex.assert_shape(found, (6,))
    z, y, slopes = jax.device_get((z, y, slopes))
    expected = terms_by_hand(variant, z, y, 1.0, slopes)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_batch_of_batches_is_mapped():
  z, y, _ = (np.stack(each) for each in zip(drawn(0), drawn(1)))
  found = jax.jit(jax.vmap(losses.mixupe))(z, y)
  for row in range(2):
    np.testing.assert_allclose(found[row], term(z[row], y[row]), rtol=1e-5)


def test_rescaling_keeps_the_value_of_a_positive_loss_and_not_below():
  total = jnp.array([0.5, 2.0, -2.0, 0.01, 0.0, 0.0])
  mixup = jnp.array([1.5, 1.5, 1.5, 1.5, 1.5, 0.0])
  factor = losses.rescaling(total, mixup)
  expected = (1.5, 1.5, -1.5, 0.1, 0.0, 0.0)  # The fourth is limited.
  np.testing.assert_allclose(total * factor, expected, rtol=1e-6)
  assert np.all(np.isfinite(factor)) and factor.max() == 10
  wide = losses.rescaling(total, mixup, limit=1e6)
  np.testing.assert_allclose((total * wide)[3], 1.5, rtol=1e-6)
  grads = jax.grad(lambda t, m: jnp.sum(losses.rescaling(t, m)), (0, 1))
  np.testing.assert_array_equal(grads(total, mixup), np.zeros((2, 6)))


@pytest.mark.parametrize("options,message", (
    ({"variant": "quick"}, "variant must be one of .*accurate.*'quick'"),
    ({"tau": float("nan")}, "tau must be finite, got nan"),
    ({"variant": "absolute"}, "slopes are for .* variant='absolute' got none"),
    ({"slopes": LOGITS}, "slopes are for .* variant='fast' got some"),
    ({"variant": "accurate", "slopes": LOGITS[:2]}, r"slopes must .* \(2, 4\)"),
))
def test_options_that_do_not_fit_are_named(options, message):
  with pytest.raises(ValueError, match=message):
    losses.mixupe(LOGITS, LABELS, **options)


@pytest.mark.parametrize("logits,labels,message", (
    (LOGITS, LABELS[:2], r"labels must be integers \(3,\)"),
    (LOGITS, np.eye(4)[LABELS], "labels must be integers .* float64"),
    (LOGITS, np.array([0, 1, 4]), r"labels must lie in \[0, 4\)"),
    (LOGITS[0], np.array([0, 1, 2, 0]), r"logits must be \[B, C\]"),
))
def test_inputs_that_do_not_fit_are_named(logits, labels, message):
  with pytest.raises(ValueError, match=message):
    losses.mixupe(logits, labels)


def test_inputs_without_a_derivative_are_named():
  derivative = functools.partial(losses.directional_derivative, lambda x: x)
  with pytest.raises(ValueError, match="x must be floating .* int32"):
    derivative(np.zeros((2, 3), np.int32), np.zeros(3))
  with pytest.raises(ValueError, match=r"mean must have .* \(4,\)"):
    derivative(np.zeros((2, 3), np.float32), np.zeros(4))
  with pytest.raises(ValueError, match="limit must be >= 1, got 0.5"):
    losses.rescaling(1.0, 1.0, limit=0.5)

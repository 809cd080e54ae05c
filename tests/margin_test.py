"""The large-margin loss: golden values, a twin that loops, edges."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import losses
from dmjax.losses import _margin
from tests import mixupe_test

ROWS, CLASSES, DIM = 5, 4, 3


def objective(z, kernel, bias, labels, partner, lam, **options):
  """Mean loss of mixed features, as FIXED has it."""
  mixed = lam * z + (1 - lam) * z[partner]
  pairs = jnp.stack([labels, labels[partner]], axis=1)
  weights = jnp.broadcast_to(jnp.stack([lam, 1 - lam]), pairs.shape)
  each = losses.large_margin(
      mixed @ kernel + bias[None], pairs, weights, kernel=kernel, **options
  )
  return jnp.mean(each)


graded = jax.jit(
    jax.value_and_grad(objective, (0, 1, 2)),
    static_argnames=("margin", "top_k", "reduction"),
)


@mixupe_test.needs_golden
def test_values_and_gradients_equal_the_reference():
  with np.load(mixupe_test.GOLDEN) as golden, jax.enable_x64(True):
    found = list(mixupe_test.cases(golden, "fixed"))
    assert {str(read["kind"]) for read in found} == {
        f"{name}_top_k" for name in _margin.REDUCTIONS
    }
    for read in found:
      loss, grads = graded(
          *(read[name] for name in ("z", "head_w", "head_b", "labels")),
          read["partner"], read["lam"], margin=float(read["margin"]),
          top_k=int(read["top_k"]),
          reduction=str(read["kind"]).removesuffix("_top_k"),
      )
      np.testing.assert_allclose(loss, read["loss"], rtol=1e-10)
      pairs = np.stack([read["labels"], read["labels"][read["partner"]]], 1)
      shares = np.broadcast_to([read["lam"], 1 - read["lam"]], pairs.shape)
      fix = losses.mixup_cross_entropy(read["logits"], pairs, shares)
      np.testing.assert_allclose(fix.mean(), read["fix_loss"], rtol=1e-10)
      for grad, name in zip(grads, ("z", "head_w", "head_b")):
        np.testing.assert_allclose(grad, read[f"grad_{name}"], atol=1e-12)


def draw(seed=0):
  rng = np.random.default_rng(seed)
  return (
      rng.normal(size=(ROWS, DIM)).astype(np.float32),
      rng.normal(size=(DIM, CLASSES)).astype(np.float32),
      rng.normal(size=CLASSES).astype(np.float32),
  )


def test_the_closed_form_is_the_jacobian():
  z, kernel, bias = draw()
  softmax = lambda z: jax.nn.softmax(z @ kernel + bias)
  expected = jax.jacrev(softmax)(z[0])
  found = _margin.softmax_jacobian(softmax(z[0]), kernel)
  np.testing.assert_allclose(found, expected, atol=1e-6)


def twin(z, kernel, bias, label, margin, top_k, reduction):
  """Loss of one example and class, in float64, by finite differences."""

  def p(z):
    e = np.exp(z @ kernel + bias)
    return e / e.sum()

  rivals = sorted(set(range(CLASSES)) - {label}, key=lambda c: -p(z)[c])
  distances = []
  for rival in rivals[:top_k]:
    gap = lambda z: p(z)[label] - p(z)[rival]
    slopes = [
        (gap(z + step) - gap(z - step)) / 2e-6 for step in 1e-6 * np.eye(DIM)
    ]
    distances.append(gap(z) / np.linalg.norm(slopes))
  cut = lambda d: min(max(d, -3 * margin), margin)
  if reduction == "all":
    return -np.mean([cut(d) for d in distances])
  reduce = np.mean if reduction == "avg" else np.min
  return -cut(reduce(distances))


@pytest.mark.parametrize("margin", (0.2, 1e4))
@pytest.mark.parametrize("reduction", _margin.REDUCTIONS)
def test_the_loss_is_the_weighted_distance_to_boundaries(margin, reduction):
  z, kernel, bias = draw()
  labels = np.array([[0, 1], [1, 3], [2, 2], [3, 0], [1, 0]])
  weights = np.array([[0.7, 0.3], [1, 0], [0.5, 0.5], [0, 1], [0.2, 0.8]])
  options = {"margin": margin, "top_k": 2, "reduction": reduction}
  found = losses.large_margin(
      z @ kernel + bias, labels, weights, kernel=kernel, **options
  )
  doubles = [np.float64(each) for each in (z, kernel, bias)]
  expected = [
      sum(w * twin(row, *doubles[1:], y, *options.values())
          for w, y in zip(weights[at], labels[at]))
      for at, row in enumerate(doubles[0])
  ]
  assert found.dtype == jnp.float32
  np.testing.assert_allclose(found, expected, rtol=2e-4, atol=1e-5)


@functools.partial(jax.jit, static_argnames="reduction")
def loss_and_gradient(logits, labels, weights, kernel, reduction):
  total = lambda z, w: jnp.sum(losses.large_margin(
      z, labels, weights, kernel=w, margin=10.0, reduction=reduction
  ))
  return jax.value_and_grad(total, (0, 1))(logits, kernel)


@pytest.mark.parametrize("scale", (0.0, 1.0, 1e4))
def test_values_and_gradients_are_finite_and_none_reaches_the_kernel(scale):
  kernel = draw()[1]
  logits = scale * np.eye(4, CLASSES, dtype=np.float32)
  labels = np.array([[0, 1], [0, 1], [2, 2], [0, 0]])
  weights = np.array([[1, 0], [0.5, 0.5], [0.3, 0.7], [1, 0]], np.float32)
  loss, (of_logits, of_kernel) = loss_and_gradient(
      logits, labels, weights, kernel, "avg"
  )
  assert np.isfinite(loss) and np.isfinite(of_logits).all()
  assert not of_kernel.any()  # It is reached through the logits alone.
  assert -4 * 10 <= loss <= 4 * 30


@pytest.mark.parametrize("options,match", (
    ({"reduction": "mean"}, r"reduction must be one of .*'worst'.*'mean'"),
    ({"top_k": 4}, r"top_k must lie in \[1, 3\].*got 4"),
    ({"top_k": 0}, "top_k must be >= 1, got 0"),
    ({"margin": 0.0}, "margin must be > 0, got 0.0"),
    ({"kernel": np.ones((3, 2))}, r"kernel must be \[D, C\] with C=4"),
    ({"labels": np.ones((5, 1, 4)) / 4}, "labels must be classes"),
))
def test_bad_options_are_named(options, match):
  z, kernel, bias = draw()
  labels = options.pop("labels", np.zeros((ROWS, 1), int))
  with pytest.raises(ValueError, match=match):
    losses.large_margin(
        z @ kernel + bias, labels, np.ones((ROWS, 1)),
        **{"kernel": kernel} | options,
    )

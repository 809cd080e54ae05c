"""Pseudo Group Contrast and its queue, against golden values and loops."""

import collections
import functools
import os
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax.methods import contrast

SHARED = pathlib.Path(
    os.environ.get("DMJAX_SHARED", pathlib.Path(__file__).parents[2] / "shared")
)
GOLDEN = SHARED / "golden" / "semi_supervised.npz"
needs_golden = pytest.mark.skipif(
    not GOLDEN.exists(), reason="the golden values are not on this machine"
)
CLASSES, SIZE, DIM = 3, 2, 5

enqueue = jax.jit(contrast.enqueue)


@jax.jit
def values_and_gradient(q, k, labels, queue):
  """Losses of rows of any length, and the gradient of their mean."""

  def loss(q):
    values = contrast.group_contrast(
        contrast.unit(q), contrast.unit(k), labels, queue, temperature=0.07
    )
    return jnp.mean(values), values

  (_, values), grad = jax.value_and_grad(loss, has_aux=True)(q)
  return values, grad


@needs_golden
@pytest.mark.parametrize("case", "ab")
def test_contrast_and_queue_equal_the_reference(case):
  golden = np.load(GOLDEN)
  read = lambda name: golden[f"pgc_{case}_{name}"]
  assert read("temperature") == 0.07
  with jax.enable_x64(True):
    queue = jnp.asarray(read("queue0"))
    ptr = jnp.zeros(len(queue), jnp.int32)
    for t, (q, k, labels) in enumerate(zip(*map(read, ("q", "k", "labels")))):
      values, grad = values_and_gradient(q, k, labels, queue)
      # KL(target || p) of each row, of the golden log-probabilities.
      target, log_probs = read("target"), read("log_probs")[t]
      positive = target > 0
      of_rows = target * (np.log(np.where(positive, target, 1)) - log_probs)
      close = functools.partial(np.testing.assert_allclose, atol=1e-10, rtol=0)
      close(values, of_rows.sum(axis=1))
      close(np.mean(values), read("loss")[t])
      close(grad, read("grad_q")[t])
      queue, ptr = enqueue(queue, ptr, contrast.unit(k), labels)
      close(queue, read("queue")[t])
      np.testing.assert_array_equal(ptr, read("ptr")[t])


def draw(seed, rows=8):
  """Queries, keys, labels and a queue; keys and queries of any length."""
  rng = np.random.default_rng(seed)
  q, k = rng.normal(size=(2, rows, DIM)).astype(np.float32)
  labels = rng.integers(CLASSES, size=rows)
  queue, ptr = contrast.init_queue(jax.random.key(seed), CLASSES, SIZE, DIM)
  return q, k, labels, queue, ptr


def slow_contrast(q, k, label, queue):
  """Of one row: a loop over its keys, and over the classes of the queue."""
  length = lambda x: x / np.sqrt(np.dot(x, x))
  q, k = length(np.float64(q)), length(np.float64(k))
  likeness, positive = [np.exp(np.dot(q, k) / 0.07)], [True]
  for of_class, slots in enumerate(np.float64(queue)):
    for key in slots:
      likeness.append(np.exp(np.dot(q, key) / 0.07))
      positive.append(of_class == label)
  share = 1 / sum(positive)
  p = np.array(likeness)[positive] / sum(likeness)
  return sum(share * np.log(share / each) for each in p)


def test_contrast_equals_a_loop_over_keys():
  q, k, labels, queue, _ = draw(0)
  values, _ = values_and_gradient(q, k, labels, queue)
  expected = [slow_contrast(*row, queue) for row in zip(q, k, labels)]
  np.testing.assert_allclose(values, expected, rtol=1e-5)


def test_the_queue_equals_one_that_takes_keys_one_by_one():
  """Batches with more keys of a class than slots, and with classes missing."""
  _, _, _, queue, ptr = draw(1)
  slots = np.array(queue)
  writes = [0] * CLASSES
  for seed, classes in enumerate(((0,), (0, 1), (0, 1, 2), (2,), (1, 2))):
    _, keys, labels, _, _ = draw(seed)
    labels = np.take(classes, labels % len(classes))
    for key, label in zip(keys, labels):
      slots[label, writes[label] % SIZE] = key
      writes[label] += 1
    queue, ptr = enqueue(queue, ptr, keys, labels)
    np.testing.assert_array_equal(queue, slots)
    np.testing.assert_array_equal(ptr, np.array(writes) % SIZE)
    counts = collections.Counter(labels.tolist())
    assert max(counts.values()) > SIZE


def test_no_gradient_flows_into_keys():
  q, k, labels, queue, _ = draw(2)

  def loss(q, k, queue):
    return jnp.sum(contrast.group_contrast(q, k, labels, queue))

  of_q, *of_keys = jax.jit(jax.grad(loss, (0, 1, 2)))(q, k, queue)
  assert np.abs(of_q).min() > 0
  assert all(not np.any(grad) for grad in of_keys)


def test_a_row_of_zeros_has_a_finite_gradient():
  x = jnp.stack([jnp.zeros(DIM), jnp.arange(DIM, dtype=float)])
  np.testing.assert_allclose(
      np.linalg.norm(contrast.unit(x), axis=1), (0, 1), rtol=1e-6
  )
  grad = jax.grad(lambda x: jnp.sum(contrast.unit(x)))(x)
  assert np.isfinite(grad).all()


def test_the_first_queue_holds_unit_vectors():
  queue, ptr = contrast.init_queue(jax.random.key(0), 4, 3, 16)
  assert queue.shape == (4, 3, 16) and ptr.dtype == jnp.int32
  np.testing.assert_allclose(np.linalg.norm(queue, axis=-1), 1, rtol=1e-6)
  np.testing.assert_array_equal(ptr, np.zeros(4))

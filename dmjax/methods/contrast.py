"""Pseudo Group Contrast and its queue of keys by class (arXiv 2102.12903).

The queue is `[K, Q, D]`: the last Q keys of each of K classes, unit vectors.
"""

import math

import jax
import jax.numpy as jnp


def unit(x: jax.Array) -> jax.Array:
  """`x / |x|` of the last axis; zeros stay zeros, with a finite gradient."""
  square = jnp.sum(x**2, axis=-1, keepdims=True)
  return x * jax.lax.rsqrt(jnp.maximum(square, 1e-24))


def group_contrast(
    query: jax.Array,
    key: jax.Array,
    labels: jax.Array,
    queue: jax.Array,
    *,
    temperature: float = 0.07,
) -> jax.Array:
  """Pseudo Group Contrast: the keys of a class are all positives of a query.

      p = softmax(q . [k, queue] / T),   L = KL(u || p)
        = -log(Q + 1) - mean of the Q + 1 positive log p

  with u uniform on the positives: the key k of the row itself and the Q keys of
  its class. No gradient flows into keys.

  Args:
    query: `[B, D]`, unit vectors.
    key: `[B, D]`, unit vectors; another view of each row.
    labels: `int[B]`, in [0, K).
    queue: `[K, Q, D]`.
    temperature: T.

  Returns:
    `[B]`.
  """
  key, queue = jax.lax.stop_gradient((key, queue))
  own = jnp.sum(query * key, axis=1) / temperature
  others = jnp.einsum("bd,kqd->bkq", query, queue) / temperature
  same = jax.nn.one_hot(labels, queue.shape[0], dtype=bool)
  total = jnp.logaddexp(own, jax.nn.logsumexp(others, axis=(1, 2)))
  positives = own + jnp.sum(others, axis=(1, 2), where=same[..., None])
  count = queue.shape[1] + 1
  return total - positives / count - math.log(count)


def init_queue(
    key: jax.Array, num_classes: int, size: int, dim: int
) -> tuple[jax.Array, jax.Array]:
  """The queue before the first step, and where each class writes next.

  Args:
    key: PRNG key.
    num_classes: K.
    size: Q.
    dim: D.

  Returns:
    Random unit vectors `float32[K, Q, D]`, and zeros `int32[K]`.
  """
  queue = unit(jax.random.normal(key, (num_classes, size, dim)))
  return queue, jnp.zeros(num_classes, jnp.int32)


def enqueue(
    queue: jax.Array, ptr: jax.Array, keys: jax.Array, labels: jax.Array
) -> tuple[jax.Array, jax.Array]:
  """Keys go into their classes in the order of the rows; the oldest go out.

  Args:
    queue: `[K, Q, D]`.
    ptr: `int32[K]`, the slot that each class writes next.
    keys: `[B, D]`, unit vectors.
    labels: `int[B]`, in [0, K).

  Returns:
    The new queue and slots. Of more than Q keys of a class the last Q stay.
  """
  num_classes, size = queue.shape[:2]
  mine = jax.nn.one_hot(labels, num_classes, dtype=jnp.int32)
  count = jnp.sum(mine, axis=0)
  rank = jnp.sum(jnp.cumsum(mine, axis=0) * mine, axis=1) - 1
  slot = (ptr[labels] + rank) % size
  # Which of two writes to a slot wins is undefined: what a later row of the
  # batch would overwrite goes to a class that does not exist, and is dropped.
  stays = rank >= count[labels] - size
  rows = jnp.where(stays, labels, num_classes)
  queue = queue.at[rows, slot].set(keys, mode="drop")
  return queue, (ptr + count) % size

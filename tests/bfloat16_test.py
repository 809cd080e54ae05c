"""bfloat16 computation beside float32."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sklearn import datasets

from dmjax import losses
from dmjax import models


def mean_loss(dtype, seeds=2):
  """Training loss of the last ten of 100 steps on the digits, over seeds."""
  images, labels = datasets.load_digits(return_X_y=True)
  images = jnp.asarray(images.reshape(-1, 8, 8, 1) / 8 - 1, jnp.float32)
  labels = jnp.asarray(labels)
  model = models.create(
      "resnet8", num_classes=10, widths=(16, 32), depths=(1, 1), dtype=dtype
  )
  optimizer = optax.sgd(0.1, momentum=0.9)

  def loss(params, state, rows, share):
    mixed = share * images[rows] + (1 - share) * images[rows[::-1]]
    logits, state = model.apply(
        {"params": params, **state}, mixed, train=True, mutable=["batch_stats"]
    )
    assert logits.dtype == jnp.float32
    pair = jnp.stack([labels[rows], labels[rows[::-1]]], 1)
    weights = jnp.broadcast_to(jnp.stack([share, 1 - share])[None], pair.shape)
    per_example = losses.decoupled_cross_entropy(logits, pair, weights)
    assert per_example.dtype == jnp.float32
    return per_example.mean(), state

  @jax.jit
  def step(params, state, opt_state, rows, share):
    grads, (value, state) = jax.grad(
        lambda *a: (lambda l, s: (l, (l, s)))(*loss(*a)), has_aux=True
    )(params, state, rows, share)
    updates, opt_state = optimizer.update(grads, opt_state)
    return optax.apply_updates(params, updates), state, opt_state, value

  init = jax.jit(lambda key: model.init(key, images[:1], train=False))
  first, last = [], []
  for seed in range(seeds):
    variables = init(jax.random.key(seed))
    params = variables.pop("params")
    assert all(p.dtype == jnp.float32 for p in jax.tree.leaves(params))
    state, opt_state = variables, jax.jit(optimizer.init)(params)
    rng, values = np.random.default_rng(seed), []
    for _ in range(100):
      rows = jnp.asarray(rng.integers(len(images), size=64))
      share = jnp.float32(rng.beta(0.2, 0.2))
      params, state, opt_state, value = step(
          params, state, opt_state, rows, share
      )
      values.append(value)
    first.append(values[0])
    last.append(np.mean(values[-10:]))
  assert np.mean(first) > 2 * np.mean(last)  # It has learnt something.
  return float(np.mean(last))


def test_bfloat16_trains_to_within_two_percent_of_float32():
  assert mean_loss(jnp.bfloat16) == pytest.approx(mean_loss(jnp.float32), rel=0.02)

"""Attacks against loops in NumPy and brute force, and what they promise."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax.evaluate import attacks
from dmjax.evaluate.probes import base

MEAN, STD = 0.4, 0.2
SETTINGS = ((1 / 255, (3, 5, 4, 1)), (0.3, (2, 1, 7, 3)), (1.5, (1, 2, 2, 3)))
STATIC = ("steps", "restarts", "random_start")


def draw(shape=(6, 3, 3, 1), classes=4, seed=0):
  """Weights `[D, C]`, labels, images and a key for each row."""
  rng = np.random.default_rng(seed)
  weights = rng.normal(size=(np.prod(shape[1:]), classes)).astype(np.float32)
  labels = rng.integers(classes, size=shape[0])
  x = rng.uniform(size=shape).astype(np.float32)
  return weights, labels, x, jax.random.split(jax.random.key(seed), shape[0])


def linear(weights, x):
  return (x.reshape(len(x), -1) - MEAN) / STD @ weights


def loss_of(weights, labels):
  return lambda x: attacks.error_log_odds(linear(weights, x), labels)


@jax.jit
def run_fgsm(weights, labels, x, eps):
  return attacks.fgsm(loss_of(weights, labels), x, eps)


@functools.partial(jax.jit, static_argnames=STATIC)
def run_pgd(weights, labels, key, x, eps, step_size=None, **static):
  loss = loss_of(weights, labels)
  return attacks.pgd(loss, key, x, eps, step_size=step_size, **static)


def cross_entropy(weights, labels, x):
  """`[B]` and its gradient in the pixels, by hand and in double precision."""
  z = linear(weights.astype(float), np.asarray(x, float))
  p = np.exp(z - z.max(1, keepdims=True))
  p /= p.sum(1, keepdims=True)
  own = np.eye(p.shape[1])[labels]
  gradient = (p - own) @ weights.T.astype(float) / STD
  return -np.log((p * own).sum(1)), gradient.reshape(x.shape)


def walk(weights, labels, x, start, eps, step_size, steps):
  """Projected ascent pixel by pixel."""
  found = np.array(start, float)
  for _ in range(steps):
    _, gradient = cross_entropy(weights, labels, found)
    for at in np.ndindex(x.shape):
      value = found[at] + step_size * np.sign(gradient[at])
      value = min(max(value, x[at] - eps), x[at] + eps)
      found[at] = min(max(value, 0.0), 1.0)
  return found


def corners(weights, labels, x, eps):
  """The highest loss at all corners of the box: of all where it is convex."""
  low, high = np.maximum(x - eps, 0), np.minimum(x + eps, 1)
  sides = itertools.product((False, True), repeat=low[0].size)
  found = (np.where(np.reshape(s, x.shape[1:]), high, low) for s in sides)
  return np.max([cross_entropy(weights, labels, at)[0] for at in found], 0)


@pytest.mark.parametrize("eps", (0.02, 0.3))
def test_fgsm_equals_a_loop_with_gradients_by_hand(eps):
  weights, labels, x, _ = draw()
  expected = walk(weights, labels, x, x, eps, eps, 1)
  np.testing.assert_allclose(
      run_fgsm(weights, labels, x, eps), expected, atol=1e-6
  )


@pytest.mark.parametrize("eps", (0.02, 0.3))
def test_pgd_equals_a_loop_with_gradients_by_hand(eps):
  weights, labels, x, keys = draw(seed=1)
  noise = np.stack([
      jax.random.uniform(
          jax.random.fold_in(key, 0), x.shape[1:], minval=-1, maxval=1
      )
      for key in keys
  ])
  start = np.clip(x + eps * noise, 0, 1)
  expected = walk(weights, labels, x, start, eps, 2.5 * eps / 4, 4)
  found = run_pgd(weights, labels, keys, x, eps, steps=4)
  np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("eps, shape", SETTINGS)
def test_attacks_stay_in_the_ball_and_in_the_range(eps, shape):
  weights, labels, x, keys = draw(shape)
  x = np.where(x < 0.3, 0.0, np.where(x > 0.7, 1.0, x)).astype(np.float32)
  for found in (
      run_fgsm(weights, labels, x, eps),
      run_pgd(weights, labels, keys, x, eps, eps / 2, steps=3, restarts=2),
      run_pgd(weights, labels, keys, x, eps, 9 * eps, steps=3, restarts=2),
  ):
    assert found.shape == x.shape and found.dtype == jnp.float32
    assert np.all((found >= 0) & (found <= 1))
    assert np.abs(found - x).max() <= eps + 1e-7


def test_every_step_raises_the_loss_of_a_linear_model():
  weights, labels, x, _ = draw((40, 3, 3, 1))
  eps = 0.1
  found = [x, run_fgsm(weights, labels, x, eps)] + [
      run_pgd(weights, labels, None, x, eps, eps, steps=k, random_start=False)
      for k in (2, 4)
  ]
  losses = [cross_entropy(weights, labels, each)[0] for each in found]
  assert np.all(np.diff(losses, axis=0) >= -1e-5)
  assert np.all(losses[1] > losses[0])


def test_one_step_from_the_image_is_fgsm():
  weights, labels, x, _ = draw((7, 2, 5, 3))
  found = run_pgd(
      weights, labels, None, x, 0.07, 0.07, steps=1, random_start=False
  )
  np.testing.assert_array_equal(found, run_fgsm(weights, labels, x, 0.07))


def test_attacks_on_two_classes_find_the_optimum_in_closed_form():
  weights, labels, x, keys = draw(classes=2, seed=2)
  eps, x = 0.1, 0.3 + 0.4 * x  # Nothing is clipped to [0, 1].
  margin = lambda x: np.diff(linear(weights, x))[:, 0] * (2 * labels - 1)
  drop = eps * np.abs(weights[:, 0] - weights[:, 1]).sum() / STD
  for found in (
      run_fgsm(weights, labels, x, eps),
      run_pgd(weights, labels, keys, x, eps, steps=4),
  ):
    np.testing.assert_allclose(margin(found), margin(x) - drop, atol=1e-4)


def test_attacks_come_up_to_brute_force_and_not_above():
  weights, labels, x, keys = draw((30, 2, 4, 1), classes=3, seed=3)
  best = corners(weights, labels, x, 0.1)
  one_step = run_fgsm(weights, labels, x, 0.1)
  many = run_pgd(weights, labels, keys, x, 0.1, steps=4, restarts=3)
  for found, share in ((one_step, 0.5), (many, 0.9)):
    reached = cross_entropy(weights, labels, found)[0]
    assert np.all(reached <= best + 1e-5)
    assert np.mean(reached > best - 1e-4) >= share


def test_more_restarts_never_lower_the_loss():
  weights, labels, x, keys = draw((30, 2, 3, 1), classes=6, seed=4)
  found = [
      run_pgd(weights, labels, keys, x, 0.2, 0.02, steps=2, restarts=restarts)
      for restarts in (1, 2, 4)
  ]
  losses = [cross_entropy(weights, labels, each)[0] for each in found]
  assert np.all(np.diff(losses, axis=0) >= -1e-5)
  assert np.mean(losses[2] > losses[0] + 1e-4) > 0.5


def test_radius_zero_is_the_identity():
  weights, labels, x, keys = draw()
  np.testing.assert_array_equal(run_fgsm(weights, labels, x, 0.0), x)
  found = run_pgd(weights, labels, keys, x, 0.0, steps=3, restarts=2)
  np.testing.assert_array_equal(found, x)


def test_pixels_without_influence_stay():
  weights, labels, x, _ = draw()
  weights[::2] = 0
  moved = np.asarray(run_fgsm(weights, labels, x, 0.1) != x).reshape(len(x), -1)
  assert not moved[:, ::2].any() and moved[:, 1::2].all()


def test_log_odds_are_those_of_the_cross_entropy():
  logits = 3 * np.random.default_rng(0).normal(size=(9, 5))
  labels = np.arange(9) % 5
  found = attacks.error_log_odds(jnp.float32(logits), labels)
  p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
  p = p[np.arange(9), labels]
  np.testing.assert_allclose(found, np.log((1 - p) / p), atol=1e-5)
  np.testing.assert_allclose(jax.nn.softplus(found), -np.log(p), atol=1e-5)


def test_networks_that_are_very_sure_are_attacked_all_the_same():
  # The label by far, then class 1: class 0 has to fall and class 1 to rise.
  logits, label = jnp.array([[200.0, 9.0, 0.0]]), jnp.array([0])
  slope = jax.grad(lambda z: attacks.error_log_odds(z, label)[0])(logits)
  np.testing.assert_allclose(slope, [[-1.0, 1.0, 0.0]], atol=1e-3)
  of_nll = jax.grad(lambda z: base.judged(z, label)["nll"][0])(logits)
  assert not np.any(of_nll)


@pytest.mark.parametrize(
    "options, message",
    (
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"restarts": 0}, "restarts must be at least 1, got 0"),
        ({"restarts": 2, "random_start": False}, "restarts=2 without"),
    ),
)
def test_attacks_that_are_none_are_refused(options, message):
  with pytest.raises(ValueError, match=message):
    attacks.pgd(None, None, jnp.zeros((1, 1)), 0.1, **options)


def test_attacks_are_the_same_compiled_or_not():
  weights, labels, x, keys = draw(seed=7)
  plain = attacks.pgd(loss_of(weights, labels), keys, x, 0.1, steps=2)
  compiled = run_pgd(weights, labels, keys, x, 0.1, steps=2)
  np.testing.assert_allclose(plain, compiled, atol=1e-6)

"""AlignMix: the transport plan, and mixing inside a model."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import mixers
from dmjax.mixers import _align


def features(batch, side=3, depth=5, seed=0):
  return jax.random.normal(jax.random.key(seed), (batch, side, side, depth))


def pairs_of_maps(scale, batch=8, positions=16, depth=16):
  """Two normal maps `[B, r, D]` times a scale, a number or one per row."""
  rng = np.random.default_rng(0)
  scale = np.reshape(scale, (-1, 1, 1))
  return scale * rng.normal(size=(2, batch, positions, depth))


def plans(
    x, other, iterations=100, tolerance=0.1, epsilon=0.1, normalize=False
):
  """Plans and the number of iterations, in float32."""
  found, count = _align._plans(
      np.float32(x), np.float32(other), epsilon=epsilon, iterations=iterations,
      tolerance=tolerance, normalize=normalize,
  )
  return np.asarray(found, np.float64), int(count)


def published(x, other, epsilon=0.1, most=100, enough=0.1):
  """The published solver in float64: plans times r, and its iterations."""
  cost = np.square(x[:, :, None] - other[:, None, :]).sum(axis=-1)
  rows, columns = cost.shape[1:]
  u, v = np.zeros(cost.shape[:2]), np.zeros(cost[:, 0].shape)
  log_kernel = lambda: (-cost + u[:, :, None] + v[:, None, :]) / epsilon
  for count in range(1, most + 1):
    before = u
    u = u + epsilon * (-np.log(rows) - np.log(np.exp(log_kernel()).sum(2)))
    v = v + epsilon * (-np.log(columns) - np.log(np.exp(log_kernel()).sum(1)))
    if np.abs(u - before).sum(axis=1).mean() < enough:
      break
  return rows * np.exp(log_kernel()), count


def assert_features_agree(found, expected):
  error = np.linalg.norm(found - expected) / np.linalg.norm(expected)
  assert error < 1e-4


@pytest.mark.parametrize("scale", (0.1, 0.3, 1.0, [0.1] * 7 + [0.7]))
def test_features_and_iterations_are_those_of_the_published_solver(scale):
  """One of the batches has a row that makes the others go on."""
  x, other = pairs_of_maps(scale)
  expected, steps = published(x, other)
  found, count = plans(x, other)
  assert count == steps < 100
  assert_features_agree(found @ other, expected @ other)
  back = lambda plan: plan.swapaxes(1, 2) @ x
  assert_features_agree(back(found), back(expected))


def test_the_published_bound_on_iterations_is_kept():
  x, other = pairs_of_maps(1.0)
  assert plans(x, other, iterations=7)[1] == published(x, other, most=7)[1] == 7


def test_iterations_stop_early_where_features_are_small():
  counts = [plans(*pairs_of_maps(scale))[1] for scale in (0.01, 0.1, 0.3, 1.0)]
  assert counts[0] == 2 and counts == sorted(set(counts))


def test_the_mix_is_the_published_one_whichever_map_stays():
  """Eight keys toss the coin both ways; lambda is one for the whole batch."""
  x = np.float32(pairs_of_maps(0.3)[0])
  other = np.roll(x, 1, axis=0)
  plan, _ = published(np.float64(x), np.float64(other))
  moved = {
      "other": 0.3 * x + 0.7 * plan @ other,
      "own": 0.3 * plan.swapaxes(1, 2) @ x + 0.7 * other,
  }
  mix = jax.jit(functools.partial(
      mixers.alignmix, lam=0.3, partner="roll", per_batch=True
  ))
  seen = set()
  for key in jax.random.split(jax.random.key(0), 8):
    found = mix(key, x).x
    (which,) = (k for k, v in moved.items() if np.abs(found - v).max() < 1e-4)
    seen.add(which)
  assert seen == set(moved)


def test_without_a_tolerance_all_iterations_are_done():
  x, other = pairs_of_maps(0.3)
  found, count = plans(x, other, 300, 0.0, 1.0, normalize=True)
  assert count == 300
  np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)
  np.testing.assert_allclose(found.sum(2), 1, atol=1e-3)


def test_plans_and_gradients_are_finite_for_features_of_any_scale():
  mix = functools.partial(mixers.alignmix, jax.random.key(0), lam=0.4)
  gradient = jax.jit(jax.grad(lambda x: jnp.sum(jnp.square(mix(x).x))))
  for scale in (0.0, 0.1, 1.0, 1e3):
    x, other = pairs_of_maps(scale)
    found, _ = plans(x, other)
    assert np.all(np.isfinite(found))
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-4)
    assert np.all(np.isfinite(gradient(jnp.float32(x))))


def test_a_permuted_map_is_put_back():
  """Aligned to its original, a shuffled map is that original again."""
  x = 3 * features(1)
  order = jax.random.permutation(jax.random.key(1), 9)
  shuffled = x.reshape(1, 9, 5)[:, order].reshape(x.shape)
  both = jnp.concatenate([x, shuffled])
  mixed = mixers.alignmix(
      jax.random.key(0), both, lam=0.3, partner=jnp.array([1, 0])
  )
  # Whichever of the two stays, both sources now agree with it everywhere.
  for row in range(2):
    nearest = min(
        float(jnp.abs(mixed.x[row] - both[k]).max()) for k in range(2)
    )
    assert nearest < 1e-3


def test_coin_chooses_which_map_stays():
  x = 3 * features(2)
  keys = jax.random.split(jax.random.key(0), 12)
  mix = jax.jit(functools.partial(
      mixers.alignmix, lam=0.999, partner="roll", per_batch=True
  ))
  stays = {
      float(jnp.abs(mix(key, x).x - x).max()) < 0.1 for key in keys
  }
  assert stays == {True, False}


def test_stages_agree_and_only_the_chosen_one_is_mixed():
  shapes = {0: (4, 6, 6, 3), 1: (4, 4, 4, 8), 2: (4, 2, 2, 16)}
  maps = {
      stage: jax.random.uniform(jax.random.key(stage), shape)
      for stage, shape in shapes.items()
  }
  mix = jax.jit(
      functools.partial(mixers.alignmix, lam=0.4, stages=(1, 2)),
      static_argnames="stage",
  )
  chosen = set()
  for seed in range(8):
    key = jax.random.key(seed)
    mixed = {s: mix(key, x, stage=s) for s, x in maps.items()}
    changed = [s for s, x in maps.items() if np.any(mixed[s].x != x)]
    assert len(changed) == 1
    chosen.update(changed)
    for other in mixed.values():
      np.testing.assert_array_equal(other.sources, mixed[0].sources)
      np.testing.assert_array_equal(other.weights, mixed[0].weights)
  assert chosen == {1, 2}


def test_a_traced_stage_does_as_a_number_does():
  x, key = features(3), jax.random.key(0)
  mix = jax.jit(functools.partial(mixers.alignmix, lam=0.4))
  np.testing.assert_array_equal(mix(key, x, stage=3).x, x)
  np.testing.assert_allclose(
      mix(key, x, stage=4).x, mixers.alignmix(key, x, lam=0.4).x, atol=1e-5
  )


def test_gradients_flow_through_values_and_not_through_the_plan():
  """The mix is linear in its two maps once the plan is given."""
  x, key = features(2), jax.random.key(0)
  mix = functools.partial(mixers.alignmix, key, lam=0.3, partner="roll")
  out, derivative = jax.jvp(lambda v: mix(v).x, (x,), (x,))
  np.testing.assert_allclose(derivative, out, atol=1e-4)


def test_tokens_have_one_axis_of_positions():
  x = jax.random.normal(jax.random.key(0), (3, 7, 4))
  mixed = mixers.alignmix(jax.random.key(1), x)
  assert mixed.x.shape == x.shape and np.all(np.isfinite(mixed.x))


def test_misuse_is_named():
  with pytest.raises(ValueError, match="x must be"):
    mixers.alignmix(jax.random.key(0), jnp.zeros((2, 3)))
  with pytest.raises(ValueError, match="epsilon"):
    mixers.alignmix(jax.random.key(0), features(2), epsilon=0.0)
  with pytest.raises(ValueError, match="epsilon must be > 0, got nan"):
    mixers.alignmix(jax.random.key(0), features(2), epsilon=float("nan"))
  with pytest.raises(ValueError, match="iterations must be >= 1, got 0"):
    mixers.alignmix(jax.random.key(0), features(2), iterations=0)
  with pytest.raises(ValueError, match="tolerance must be >= 0, got -1"):
    mixers.alignmix(jax.random.key(0), features(2), tolerance=-1)
  with pytest.raises(ValueError, match="stages"):
    mixers.alignmix(jax.random.key(0), features(2), stages=())

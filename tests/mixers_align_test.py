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


def sinkhorn(still, moving, epsilon, iterations):
  """Scaling of the kernel itself, in float64; rows are finished last."""
  cost = np.square(still[:, None] - moving[None]).sum(-1).astype(np.float64)
  kernel = np.exp(-cost / epsilon)
  v = np.ones(len(moving))
  for _ in range(iterations):
    u = 1 / (kernel @ v)
    v = 1 / (kernel.T @ u)
  plan = kernel * v[None]
  return plan / plan.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("epsilon", (0.5, 2.0))
def test_plan_equals_sinkhorn_scaling(epsilon):
  a, b = (np.asarray(f).reshape(-1, 5) for f in features(2))
  plan = _align._plan(a, b, epsilon=epsilon, iterations=50, normalize=False)
  np.testing.assert_allclose(plan, sinkhorn(a, b, epsilon, 50), atol=1e-4)
  np.testing.assert_allclose(plan.sum(1), 1, atol=1e-5)


def test_plan_is_doubly_stochastic_after_enough_iterations():
  a, b = (f.reshape(-1, 5) for f in features(2))
  plan = _align._plan(a, b, epsilon=1.0, iterations=300, normalize=True)
  np.testing.assert_allclose(plan.sum(0), 1, atol=1e-3)


def test_plan_is_finite_for_features_of_any_scale():
  a, b = (1e3 * f.reshape(-1, 5) for f in features(2))
  plan = _align._plan(a, b, epsilon=0.1, iterations=100, normalize=False)
  assert np.all(np.isfinite(plan))


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
  with pytest.raises(ValueError, match="stages"):
    mixers.alignmix(jax.random.key(0), features(2), stages=())

"""Manifold mixup: one stage of a network is mixed, in one compiled program."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import mixers
from dmjax import models

BATCH = 4
LAYERS = (jnp.tanh, jnp.square, jnp.sin)


def images(size=8):
  return jax.random.uniform(jax.random.key(0), (BATCH, size, size, 3))


def composed(x, hook):
  """A network of three functions."""
  h = hook(0, x)
  for stage, layer in enumerate(LAYERS, 1):
    h = hook(stage, layer(h))
  return h


def mixed_by_hand(x, at, weights, partner):
  """The same network, mixed at one stage that is known."""
  h = np.asarray(x, np.float64)
  share = np.asarray(weights, np.float64)[:, 0].reshape(-1, 1, 1, 1)
  for stage, layer in enumerate((lambda h: h, np.tanh, np.square, np.sin)):
    h = layer(h)
    if stage == at:
      h = share * h + (1 - share) * h[np.asarray(partner)]
  return h


def test_network_equals_one_mixed_by_hand_at_exactly_one_stage():
  x = images()

  @jax.jit
  def forward(key):
    hook = lambda stage, h: mixers.manifold_mixup(key, h, stage=stage).x
    return composed(x, hook), mixers.manifold_mixup(key, x)

  seen = set()
  for seed in range(12):
    out, mixed = forward(jax.random.key(seed))
    partner = mixed.sources[:, 1]
    errors = [
        np.abs(out - mixed_by_hand(x, at, mixed.weights, partner)).max()
        for at in range(4)
    ]
    agree = np.flatnonzero(np.array(errors) < 1e-5)
    assert agree.size == 1, errors
    seen.add(int(agree[0]))
  assert seen == {0, 1, 2}


@functools.cache
def resnet():
  model = models.create("resnet8", num_classes=3)
  init = jax.jit(functools.partial(model.init, train=False))
  return model, init(jax.random.key(1), images())


def test_resnet_is_mixed_at_exactly_one_stage_with_one_lambda():
  model, variables = resnet()
  traces = []

  @jax.jit
  def record(key):
    traces.append(key)
    maps = {}

    def hook(stage, h):
      maps[stage] = h, mixers.manifold_mixup(key, h, stage=stage).x
      return maps[stage][1]

    model.apply(
        variables, images(), train=True, hook=hook, mutable="batch_stats"
    )
    return maps, mixers.manifold_mixup(key, images())

  chosen = set()
  for seed in range(10):
    maps, mixed = jax.device_get(record(jax.random.key(seed)))
    changed = [s for s, (h, after) in maps.items() if np.any(h != after)]
    assert len(changed) == 1
    before, after = maps[changed[0]]
    share = mixed.weights[:, 0].reshape(-1, 1, 1, 1)
    other = before[mixed.sources[:, 1]]
    np.testing.assert_allclose(
        after, share * before + (1 - share) * other, atol=1e-5
    )
    chosen.add(changed[0])
  assert set(maps) == {0, 1, 2, 3}
  assert chosen == {0, 1, 2}
  assert len(traces) == 1


def test_gradients_reach_the_parameters_through_the_hook():
  model, variables = resnet()

  @jax.jit
  def gradient(params, key):
    def loss(params):
      hook = lambda stage, h: mixers.manifold_mixup(key, h, stage=stage).x
      logits = model.apply(
          {**variables, "params": params}, images(), train=False, hook=hook
      )
      return jnp.sum(jnp.square(logits))

    return jax.grad(loss)(params)

  leaves = jax.tree.leaves(gradient(variables["params"], jax.random.key(3)))
  assert all(np.all(np.isfinite(leaf)) for leaf in leaves)
  assert any(np.any(leaf != 0) for leaf in leaves)


def test_pairs_and_weights_depend_on_the_key_alone():
  key = jax.random.key(4)
  at_input = mixers.manifold_mixup(key, images())
  features = jnp.ones((BATCH, 5), jnp.bfloat16)
  for stage in range(4):
    mixed = mixers.manifold_mixup(key, features, stage=stage)
    np.testing.assert_array_equal(mixed.weights, at_input.weights)
    np.testing.assert_array_equal(mixed.sources, at_input.sources)
    assert mixed.x.dtype == jnp.bfloat16


def test_stages_are_drawn_uniformly_from_those_given():
  x = jnp.arange(2.0)[:, None]
  keys = jax.random.split(jax.random.key(0), 900)

  def changed(stage):
    mixer = functools.partial(
        mixers.manifold_mixup, stage=stage, stages=(1, 3, 4), lam=0.5
    )
    return np.asarray(jax.vmap(lambda k: mixer(k, x).x[0, 0] != 0)(keys))

  at = np.stack([changed(stage) for stage in range(5)])
  np.testing.assert_array_equal(at.sum(0), 1)
  assert not at[[0, 2]].any()
  # 300 expected each, standard deviation 14.
  assert np.all(np.abs(at[[1, 3, 4]].sum(1) - 300) < 60)


@pytest.mark.parametrize(
    "options",
    ({"stage": -1}, {"stage": 1.0}, {"stages": ()}, {"stages": (0, -2)}),
)
def test_stages_out_of_range_are_named_in_the_error(options):
  (name, value), = options.items()
  with pytest.raises(ValueError, match=name) as error:
    mixers.manifold_mixup(jax.random.key(0), images(), **options)
  assert repr(value) in str(error.value)

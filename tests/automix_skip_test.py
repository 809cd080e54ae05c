"""AutoMix's skipped steps: what they leave out, and how many there are."""

import functools

import chex
import jax
import numpy as np
import pytest

from dmjax import losses
from dmjax import parallel
from dmjax.methods import automix_losses
from tests import automix_test

IMAGES = automix_test.batch()["x"]


@pytest.fixture(name="variables")
def variables_fixture():
  return automix_test.in_the_middle()


def under_axis(function, count=1):
  """The function on some devices, under the named axis of the engine."""
  mapped = jax.pmap(
      lambda row, x: function(x), axis_name=parallel.AXIS, in_axes=(0, None),
      devices=jax.devices()[:count],
  )
  return lambda x: jax.device_get(mapped(np.zeros(count), x))


@functools.cache
def step(skip):
  """Losses, the gradient of the Mix Block, and the state of the teacher."""
  variables = automix_test.in_the_middle()

  def loss(theta):
    block = variables["mix_block"] | {"params": theta}
    both, aux = automix_losses.objectives(
        automix_test.parts(), variables | {"mix_block": block},
        automix_test.batch(), jax.random.key(3), mask_weight=0.1, skip=skip,
    )
    return both[1], (both[0], aux.model_state["teacher"])

  run = under_axis(jax.value_and_grad(loss, has_aux=True))
  out = jax.tree.map(lambda x: x[0], run(variables["mix_block"]["params"]))
  (block_loss, (student_loss, teacher)), grads = out
  return block_loss, student_loss, grads, teacher


@pytest.fixture(name="full")
def full_fixture():
  return step(0.0)


@pytest.fixture(name="skipped")
def skipped_fixture():
  return step(1.0)


def test_the_mask_loss_alone_trains_the_block_in_a_skipped_step(
    variables, full, skipped
):
  p = automix_test.parts()
  mixed = automix_test.pairs(None, IMAGES)
  partner, lam = mixed.sources[:, 1], mixed.weights[:, 0]

  def mask_loss(theta):
    features = p.network.train(
        variables["teacher"], IMAGES, jax.random.key(0), features="stage2"
    )[0][1]
    block = variables["mix_block"] | {"params": theta}
    mask = p.block.predict(block, (features, partner, lam, (8, 8)))
    return 0.1 * losses.mask_l1(mask, lam).mean()

  theta = variables["mix_block"]["params"]
  value, slopes = jax.jit(jax.value_and_grad(mask_loss))(theta)
  block_loss, student_loss, grads, _ = skipped
  np.testing.assert_allclose(block_loss, value, rtol=1e-5)
  chex.assert_trees_all_close(grads, slopes, rtol=1e-4, atol=1e-7)
  # There is something to learn from it, and more in a step that is not skipped.
  assert max(abs(leaf).max() for leaf in jax.tree.leaves(slopes)) > 1e-4
  assert full[0] > block_loss + 0.1
  np.testing.assert_allclose(student_loss, full[1], rtol=1e-6)


def test_the_teacher_sees_clean_images_alone_in_a_skipped_step(
    variables, full, skipped
):
  old = variables["teacher"]["batch_stats"]
  train = functools.partial(
      automix_test.parts().network.train, features="stage2"
  )
  _, new = jax.jit(train)(variables["teacher"], IMAGES, jax.random.key(0))
  found = skipped[3]["batch_stats"]
  for name in old:
    is_run = not name.startswith("stage3")
    expected = (new["batch_stats"] if is_run else old)[name]
    chex.assert_trees_all_close(found[name], expected, rtol=1e-5, atol=1e-6)
  for before, after in zip(
      jax.tree.leaves(found), jax.tree.leaves(full[3]), strict=True
  ):
    assert np.all(before != after)


def test_a_step_that_is_not_skipped_is_a_full_one(full):
  seldom = step(1e-9)
  chex.assert_trees_all_close(seldom, full, rtol=1e-4, atol=1e-6)


def test_as_many_steps_are_skipped_as_asked_for():
  keys = jax.random.split(jax.random.key(0), 4000)
  draw = jax.vmap(lambda key: automix_losses._is_skipped(key, 0.2))
  np.testing.assert_allclose(under_axis(draw)(keys).mean(), 0.2, atol=0.02)


def test_all_devices_skip_the_same_steps_and_every_seed_others():
  def draw(key):
    key = jax.random.fold_in(key, jax.lax.axis_index(parallel.AXIS))
    keys = jax.random.split(key, 50)
    return jax.vmap(lambda key: automix_losses._is_skipped(key, 0.5))(keys)

  mapped = under_axis(draw, count=4)
  one, other = mapped(jax.random.key(0)), mapped(jax.random.key(1))
  assert np.all(one == one[:1]) and np.any(one[0]) and not np.all(one[0])
  assert np.any(one != other)

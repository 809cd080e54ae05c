"""AutoMix: who learns from what, the teacher, and devices."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from dmjax import losses
from dmjax import methods
from dmjax import mixers
from dmjax import models
from dmjax import parallel
from dmjax.methods import automix_losses
from dmjax.methods.momentum import teacher_rate
from tests import step_test

NETWORKS = ("student", "teacher", "mix_block")


def pairs(key, x):
  """Mixup whose draw is the same however the batch is split over devices."""
  del key
  lam = 0.5 + 0.4 * jnp.tanh(jnp.mean(x, axis=(1, 2, 3)))
  partner = jnp.arange(x.shape[0]) ^ 1
  return mixers.mixup(jax.random.key(0), x, partner=partner, lam=lam)


def parts(mixer=pairs, flavour="automix", axis_name=None, **options):
  network = models.create_network(
      "resnet8", num_classes=20, widths=(4, 8, 8), axis_name=axis_name
  )
  block = models.create_mix_block(flavour, axis_name=axis_name)
  block = models.of_mix_block(block)
  options = {"stage": "stage2", "mask_loss": losses.mask_l1} | options
  return automix_losses.Parts(
      network, block, mixer, losses.decoupled_cross_entropy, **options
  )


def method(mixer=pairs, axis_name=None, flavour="automix", **options):
  p = parts(mixer, flavour, axis_name)
  options = {"stage": "stage2", "total_steps": 10} | options
  return methods.automix(p.network, p.block, p.mixer, p.loss, **options)


def batch(size=8):
  image = jax.random.normal(jax.random.key(5), (size, 8, 8, 1))
  return {"x": image, "label": jnp.arange(size) % 10}


@functools.cache
def first_state():
  """What training begins with, whatever the options."""
  return jax.device_get(jax.jit(method().init)(jax.random.key(0), batch()))


@functools.cache
def in_the_middle():
  """Variables in the middle of training: nothing is at its special start."""
  state, rng = first_state(), np.random.default_rng(7)
  params = state.params | {"teacher": state.extra["teacher"]}
  noisy = lambda p: p + 0.2 * rng.normal(size=p.shape).astype(np.float32)
  return {
      name: {
          "params": jax.tree.map(noisy, params[name]), **state.model_state[name]
      }
      for name in NETWORKS
  }


@pytest.fixture(name="variables")
def variables_fixture():
  return in_the_middle()


def params_of(variables):
  return {name: variables[name]["params"] for name in NETWORKS}


@jax.jit
def objectives(params):
  """The two losses, the gradient of each, and the state after them."""

  def both(params):
    variables = in_the_middle()
    losses_of, aux = automix_losses.objectives(
        parts(), {k: v | {"params": params[k]} for k, v in variables.items()},
        batch(), jax.random.key(3), mask_weight=0.1,
    )
    return losses_of, aux.model_state

  values, pull, state = jax.vjp(both, params, has_aux=True)
  gradients = [pull(each)[0] for each in ((1.0, 0.0), (0.0, 1.0))]
  return values, gradients, state


@pytest.mark.parametrize(
    "index,learner", ((0, "student"), (1, "mix_block"))
)
def test_each_loss_moves_its_own_network_and_no_other(index, learner, variables):
  gradient = jax.device_get(objectives(params_of(variables))[1][index])
  norms = jax.tree.map(np.linalg.norm, gradient)
  for name in NETWORKS:
    leaves = jax.tree.leaves(norms[name])
    if name == learner:
      # Logits of the block all move together with the key's bias, and the
      # student has parameters behind a ReLU: not every leaf has a gradient.
      assert np.mean([leaf > 1e-7 for leaf in leaves]) > 0.7, name
    else:
      assert all(leaf == 0 for leaf in leaves), name


def test_the_mix_block_learns_through_the_teacher(variables):
  """Against the loss written out, in which nothing stops a gradient."""
  p, params = parts(), params_of(variables)
  images, labels = batch()["x"], batch()["label"]
  mixed = pairs(None, images)

  def plain(theta):
    teacher, block = variables["teacher"], variables["mix_block"]
    apply = lambda x, **options: p.network.train(
        teacher, x, jax.random.key(0), **options
    )[0]
    features = apply(images, features="stage2")[1]
    mask = p.block.predict(
        block | {"params": theta},
        (features, mixed.sources[:, 1], mixed.weights[:, 0], (8, 8)),
    )
    x = images[mixed.sources[:, 1]]
    x += mask * (images - x)
    logits = apply(x)[:, 10:]
    each = p.loss(logits, labels[mixed.sources], mixed.weights)
    return each.mean() + 0.1 * losses.mask_l1(mask, mixed.weights[:, 0]).mean()

  values, gradients, _ = objectives(params)
  expected, slopes = jax.jit(jax.value_and_grad(plain))(params["mix_block"])
  np.testing.assert_allclose(values[1], expected, rtol=1e-5)
  chex.assert_trees_all_close(
      gradients[1]["mix_block"], slopes, rtol=1e-3, atol=1e-6
  )


def test_the_student_is_shown_plain_mixing_near_zero_and_one(variables):
  images = batch()["x"]
  lam = jnp.array([0.0, 0.05, 0.08, 0.3, 0.7, 0.92, 0.97, 1.0])
  mixed = mixers.mixup(jax.random.key(0), images, lam=lam)
  mask = jax.random.uniform(jax.random.key(1), (8, 8, 8, 1))
  shown = automix_losses._near_plain(parts(), images, mixed, mask)
  near = [0, 1, 2, 5, 6, 7]
  np.testing.assert_array_equal(shown.x[np.array(near)], mixed.x[np.array(near)])
  by_mask = images[mixed.sources[:, 1]]
  by_mask += mask * (images - by_mask)
  np.testing.assert_allclose(shown.x[3:5], by_mask[3:5], atol=1e-6)
  np.testing.assert_array_equal(shown.weights, mixed.weights)


def test_the_two_draws_are_independent(variables):
  def keys():
    seen = []

    def mixer(key, x):
      seen.append(key)
      return pairs(key, x)

    automix_losses.objectives(
        parts(mixer), variables, batch(), jax.random.key(3), mask_weight=0.1
    )
    return [jax.random.key_data(key) for key in seen]

  first, second = jax.jit(keys)()
  assert np.any(first != second)


def test_clean_and_mixed_images_have_heads_of_their_own(variables):
  p = parts()
  images, labels = batch()["x"], batch()["label"]

  @jax.jit
  def expected():
    logits, _ = p.network.train(
        variables["student"], images, jax.random.key(0)
    )
    clean = optax.softmax_cross_entropy_with_integer_labels(
        logits[:, :10], labels
    )
    mixed = pairs(None, images)
    guess = p.loss(jnp.zeros((8, 10)), labels[mixed.sources], mixed.weights)
    return clean.mean() + guess.mean()

  silent = jax.tree.map(np.copy, params_of(variables))
  head = silent["student"]["head"]
  # A head that says nothing about mixed images has the loss of a guess.
  head["kernel"][:, 10:] = head["bias"][10:] = 0
  found = objectives(silent)[0][0]
  np.testing.assert_allclose(found, expected(), rtol=1e-5)


def test_later_stages_of_the_teacher_are_not_run_on_clean_images(variables):
  p, images, key = parts(stage="stage1"), batch()["x"], jax.random.key(0)
  whole = lambda k: p.network.train(k, images, key, features="stage1")
  part = lambda k: automix_losses._features(p, k, images, key)
  part, whole = (
      jax.jit(function).lower(variables["teacher"]).compile()
      for function in (part, whole)
  )
  part_cost, cost = (f.cost_analysis()["flops"] for f in (part, whole))
  assert part_cost < 0.7 * cost
  features, teacher = part(variables["teacher"])
  (_, expected), new = whole(variables["teacher"])
  np.testing.assert_allclose(features, expected, atol=1e-5)
  # Statistics are new up to the stage and old behind it.
  old, new = variables["teacher"]["batch_stats"], new["batch_stats"]
  found = teacher["batch_stats"]
  for name in old:
    is_run = name.startswith(("stem", "stage1"))
    chex.assert_trees_all_close(found[name], (new if is_run else old)[name])


def test_the_statistics_of_the_teacher_are_its_own(variables):
  state = jax.device_get(objectives(params_of(variables))[2])
  for old, new in zip(
      jax.tree.leaves(variables["teacher"]["batch_stats"]),
      jax.tree.leaves(state["teacher"]["batch_stats"]), strict=True,
  ):
    assert np.all(old != new)
  with pytest.raises(AssertionError):
    chex.assert_trees_all_close(state["teacher"], state["student"])


@pytest.mark.parametrize(
    "step,expected",
    ((0, 0.999), (99, 0.999), (100, 0.9990244473), (500, 0.9994995),
     (1000, 0.999999)),
)
def test_momentum_has_the_published_values(step, expected):
  rate = teacher_rate(step, 1000)
  # To a part in a thousand even of 1e-6: m itself would not resolve that.
  np.testing.assert_allclose(rate, 1 - expected, rtol=1e-4)


def test_the_teacher_is_the_running_average_of_the_student():
  m = method(momentum=0.9, end_momentum=0.99, momentum_delay=0.5)
  state = first_state()
  weight = teacher = 0.0
  fill = lambda tree, value: jax.tree.map(lambda p: jnp.full_like(p, value), tree)
  state = state.replace(extra=fill(state.extra, 0.0))
  for step in range(8):
    weight += 1.0
    state = state.replace(
        step=jnp.int32(step + 1), params=fill(state.params, weight)
    )
    state = m.after_update(state, None)
    rate = 0.1 if step < 5 else 0.01 + 0.09 * (np.cos(np.pi * step / 10) + 1) / 2
    teacher = (1 - rate) * teacher + rate * weight
  for leaf in jax.tree.leaves(state.extra):
    np.testing.assert_allclose(leaf, teacher, rtol=1e-5)


def test_evaluation_asks_the_clean_head_of_the_teacher():
  m, state = method(), first_state()
  noisy = jax.tree.map(lambda p: p + 0.3, state.params["student"])
  state = state.replace(params=state.params | {"student": noisy})
  images = batch()["x"]
  expected = parts().network.predict(
      {"params": state.extra["teacher"], **state.model_state["teacher"]}, images
  )[:, :10]
  np.testing.assert_array_equal(m.predict(state, {"x": images}), expected)


def test_one_device_and_four_give_the_same_step():
  m = method(axis_name=parallel.AXIS, flavour="samix")
  state, step = step_test.build(m, optax.sgd(1.0))
  one, one_metrics = step_test.on_devices(step, state, step_test.data(), 1)
  four, four_metrics = step_test.on_devices(step, state, step_test.data(), 4)
  chex.assert_trees_all_close(one.params, four.params, atol=1e-4)
  chex.assert_trees_all_close(one.model_state, four.model_state, atol=1e-4)
  chex.assert_trees_all_close(one.extra, four.extra, atol=1e-6)
  chex.assert_trees_all_close(one_metrics, four_metrics, rtol=1e-3)


@pytest.mark.parametrize(
    "options,message",
    (({"skip": 1.5}, r"skip must lie in \[0, 1\], got 1.5"),
     ({"lam_margin": -0.1}, "lam_margin must lie in"),
     ({"end_momentum": 2.0}, "end_momentum must lie in"),
     ({"stage": "attention"}, "stage must be a stage")),
)
def test_misuse_is_named(options, message):
  with pytest.raises(ValueError, match=message):
    method(**options)


def test_an_odd_number_of_outputs_is_refused():
  network = models.create_network("resnet8", num_classes=9, widths=(4, 8, 8))
  p = parts()._replace(network=network)
  m = methods.automix(
      p.network, p.block, p.mixer, p.loss, stage="stage2", total_steps=10
  )
  with pytest.raises(ValueError, match="an even number of outputs, got 9"):
    jax.eval_shape(m.init, jax.random.key(0), batch())

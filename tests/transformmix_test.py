"""TransformMix: the module, its search, and its use in another run."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import losses
from dmjax import methods
from dmjax import mixers
from dmjax import models
from dmjax.methods import guidance
from dmjax.methods.transformmix import make
from dmjax.methods.transformmix import saliency as saliency_of
from tests import tiny_networks

BLOCK = models.of_mix_block(models.TransformMix(4))
PARTNER = np.array([3, 0, 1, 2])


@functools.cache
def teacher(outputs=4):
  net = tiny_networks.network(outputs)
  variables = jax.jit(net.init)(jax.random.key(0), tiny_networks.batch()["x"][:1])
  return guidance.Teacher(net, tiny_networks.noisy(variables), 6, outputs)


def pairs(key, x):
  """Neighbours, lambda from the pixels: however the batch is split."""
  del key
  lam = 0.2 + 0.6 * x[:, 0, 0, 0]
  partner = jnp.arange(x.shape[0]) ^ 1
  return mixers.mixup(jax.random.key(0), x, lam=lam, partner=partner)


def method(mixer=pairs, **options):
  return methods.transformmix(
      teacher(), BLOCK, mixer, losses.mixup_cross_entropy, **options
  )


@functools.cache
def first_state():
  return jax.jit(method().init)(jax.random.key(2), tiny_networks.batch())


@functools.cache
def in_the_middle():
  state = first_state()
  return state.replace(params=tiny_networks.noisy(state.params, 0.3))


@jax.jit
def run_block(params, x, saliency, lam):
  return BLOCK.predict({"params": params}, (x, saliency, PARTNER, lam))


def four():
  x = tiny_networks.batch()["x"][:4]
  return x, jnp.linspace(0, 1, 4 * 36).reshape(4, 6, 6)


def test_at_first_it_is_plain_mixup():
  lam = jnp.array([0.1, 0.5, 0.7, 0.9])
  own, other, mask = run_block(first_state().params, *four(), lam)
  x = four()[0]
  np.testing.assert_array_equal(own, x)
  np.testing.assert_array_equal(other, x[PARTNER])
  np.testing.assert_allclose(
      mask, np.broadcast_to(lam[:, None, None], (4, 6, 6)), atol=1e-6
  )


def test_both_images_are_treated_alike_and_masks_sum_to_one():
  """The pair seen from its other side: swapped images, and the rest of M."""
  params, (x, saliency) = in_the_middle().params, four()
  lam = jnp.array([0.1, 0.5, 0.7, 0.9])
  own, other, mask = run_block(params, x, saliency, lam)
  back = np.argsort(PARTNER)
  swapped = jax.jit(
      lambda: BLOCK.predict({"params": params}, (x, saliency, back, 1 - lam[back]))
  )()
  np.testing.assert_allclose(swapped[0], other[back], atol=1e-5)
  np.testing.assert_allclose(swapped[1], own[back], atol=1e-5)
  np.testing.assert_allclose(swapped[2] + mask[back], 1, atol=1e-5)
  assert np.std(mask) > 0.01 and np.abs(own - x).max() > 0.01


def test_two_equal_images_stay_as_they_are_at_the_identity():
  params = in_the_middle().params | {"warp": first_state().params["warp"]}
  x = jnp.broadcast_to(four()[0][:1], four()[0].shape)
  own, other, mask = run_block(params, x, four()[1], jnp.full(4, 0.3))
  mixed = mask[..., None] * own + (1 - mask[..., None]) * other
  np.testing.assert_allclose(mixed, x, atol=1e-6)
  assert np.std(mask) > 1e-3  # Whatever the mask.


@jax.jit
def gradients(params, state, data):
  return jax.value_and_grad(method().loss, has_aux=True)(
      params, state, data, jax.random.key(3)
  )


def test_the_loss_is_the_teachers_and_that_of_lambda():
  state, data = in_the_middle(), tiny_networks.batch()
  (found, aux), _ = gradients(state.params, state, data)
  known, x = teacher(), data["x"]

  @jax.jit
  def written_out(params):
    mixed = pairs(None, x)
    maps = saliency_of(known, known.variables, x)
    lam, partner = mixed.weights[:, 0], mixed.sources[:, 1]
    own, other, mask = BLOCK.predict({"params": params}, (x, maps, partner, lam))
    mask = mask[..., None]
    logits = known.network.predict(
        known.variables, mask * own + (1 - mask) * other
    )
    return logits, mask.mean((1, 2, 3)), lam, partner

  logits, share, lam, partner = map(np.asarray, written_out(state.params))
  log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
  y, rows = np.asarray(data["label"]), np.arange(8)
  ce = -share * log_p[rows, y] - (1 - share) * log_p[rows, y[partner]]
  np.testing.assert_allclose(
      found, np.mean(ce + 10 * (share - lam) ** 2), rtol=1e-5
  )
  np.testing.assert_allclose(aux.metrics["teacher_loss"][0], ce.sum(), rtol=1e-5)


def test_gradients_reach_both_networks_from_the_first_step_on():
  state = first_state()
  _, grads = gradients(state.params, state, tiny_networks.batch())
  for network, last in (("warp", "theta"), ("mask", "score")):
    assert np.any(grads[network][last]["kernel"] != 0)


def test_two_devices_have_the_gradient_of_one():
  state, data = in_the_middle(), tiny_networks.batch()
  whole = gradients(state.params, state, data)[1]
  parts = [
      gradients(state.params, state, part)[1] for part in tiny_networks.halves(data)
  ]
  mean = jax.tree.map(lambda a, b: (a + b) / 2, *parts)
  jax.tree.map(
      functools.partial(np.testing.assert_allclose, atol=1e-4), whole, mean
  )


def test_evaluation_is_that_of_the_teacher_which_stays():
  state, x = in_the_middle(), tiny_networks.batch()["x"]
  expected = teacher().network.predict(teacher().variables, x)
  np.testing.assert_array_equal(method().predict(state, {"x": x}), expected)
  after = method().after_update(state, None)
  assert after.extra is state.extra


def test_saliency_is_the_map_of_the_class_the_teacher_sees():
  known, x = teacher(), tiny_networks.batch()["x"]

  @jax.jit
  def both(variables):
    out = known.network.predict(variables, x, features="stage1")
    return saliency_of(known, variables, x), *out

  found, logits, maps = jax.device_get(both(known.variables))
  kernel = np.asarray(known.variables["params"]["head"]["kernel"])
  cams = [
      np.maximum(maps[i] @ kernel[:, each], 0)
      for i, each in enumerate(np.argmax(logits, axis=1))
  ]
  cams = np.asarray(jax.image.resize(np.stack(cams), (8, 6, 6), "linear"))
  most = np.maximum(cams.max((1, 2), keepdims=True), 1e-6)
  np.testing.assert_allclose(found, cams / most, atol=1e-5)


def test_as_a_mixer_the_weights_are_those_of_the_mask_that_was_used():
  x, lam = tiny_networks.batch()["x"], jnp.full(8, 0.3)

  @jax.jit
  def mix(state):
    learned = method().learned(state)
    mixer = functools.partial(methods.as_mixer(learned), lam=lam)
    mixed, kept = (
        mixer(jax.random.key(0), x, keep_lam=keep) for keep in (False, True)
    )
    partner = mixed.sources[:, 1]
    return mixed, kept, learned.block(x, learned.features(x), partner, lam)

  mixed, kept, (own, other, mask) = jax.device_get(mix(in_the_middle()))
  expected = mask[..., None] * own + (1 - mask[..., None]) * other
  np.testing.assert_allclose(mixed.x, expected, atol=1e-5)
  np.testing.assert_allclose(mixed.weights[:, 0], mask.mean((1, 2)), atol=1e-6)
  assert mixed.mask.shape == (8, 6, 6, 1)
  np.testing.assert_allclose(kept.weights[:, 0], 0.3, atol=1e-7)


def test_a_block_that_does_not_fit_is_named():
  x = jnp.ones((2, 4, 4, 1))
  for block, message in (
      (lambda *_: (x, x, jnp.ones((2, 2, 2))), "mask of the block must be"),
      (lambda *_: (x[:, :3], x, jnp.ones((2, 4, 4))), "that the block warps must"),
  ):
    mixer = functools.partial(mixers.transformmix, block=block, features=None)
    with pytest.raises(ValueError, match=message):
      jax.eval_shape(mixer, jax.random.key(0), x)


def test_misuse_is_named():
  with pytest.raises(ValueError, match="lam_weight must be >= 0, got -1"):
    method(lam_weight=-1)
  three = functools.partial(mixers.several, mixer=mixers.mixup)
  state, data = first_state(), tiny_networks.batch()
  with pytest.raises(ValueError, match="a mixer of two images.*one of 3"):
    jax.eval_shape(method(three).loss, state.params, state, data, jax.random.key(0))
  with pytest.raises(ValueError, match="leave out pretrained and init_from"):
    method().init(jax.random.key(0), data, teacher().variables)


def parts(**changes):
  known = methods.Parts(
      network=tiny_networks.network, num_classes=4, mixer=pairs,
      guidance=mixers.needs(), loss=losses.mixup_cross_entropy, total_steps=8,
      steps=None, teacher=lambda name: teacher(),
  )
  return known._replace(**changes)


@pytest.mark.parametrize("changes,options,message", (
    ({}, {}, "name the workdir of its run, as --config.method.teacher="),
    ({"num_classes": 7}, {"teacher": "a"}, "know the 7 classes of the data, it has 4"),
    ({"guidance": mixers.needs("saliency")}, {"teacher": "a"}, "without guidance"),
    ({}, {"teacher": "a", "lam_wight": 1.0}, "has no option 'lam_wight'.*lam_weight"),
    ({}, {"teacher": "a", "width": 0}, "width must be an integer >= 1, got 0"),
))
def test_a_run_that_cannot_search_is_named(changes, options, message):
  with pytest.raises(ValueError, match=message):
    make(parts(**changes), **options)

"""AdAutoMix: masks of several images, and who learns from what."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import losses
from dmjax import methods
from dmjax import mixers
from dmjax import models
from dmjax import recipes
from dmjax.methods.adautomix import make
from dmjax.train import comparisons
from tests import going_on
from tests import tiny_networks

KEY = jax.random.key(3)
BLOCK = models.of_mix_block(models.AdaptiveMask())
SEVERAL = functools.partial(mixers.several, mixer=mixers.mixup)
SOURCES = np.array([[0, 2, 1], [1, 0, 2], [2, 1, 0]])


def softmax(x, axis):
  e = np.exp(x - x.max(axis, keepdims=True))
  return e / e.sum(axis, keepdims=True)


@pytest.mark.parametrize("embed", (False, True))
def test_masks_agree_with_a_loop_over_the_images(embed):
  module = models.AdaptiveMask(embed=embed, upsample="nearest")
  rng = np.random.default_rng(0)
  features = rng.normal(size=(3, 2, 3, 4)).astype(np.float32)
  weights = rng.dirichlet(np.ones(3), size=3).astype(np.float32)
  x = features, SOURCES, weights, (4, 6)
  variables = jax.jit(lambda: module.init(KEY, *x))()
  variables = tiny_networks.noisy(variables)
  found = jax.jit(lambda v: module.apply(v, *x))(variables)
  layers = jax.device_get(variables["params"])
  dense = lambda f, name: f @ layers[name]["kernel"] + layers[name]["bias"]
  for b in range(3):
    maps = [features[s].reshape(6, 4) for s in SOURCES[b]]
    if embed:
      maps = [
          np.concatenate([f, np.full((6, 1), w)], axis=1)
          for f, w in zip(maps, weights[b])
      ]
    logits = []
    for i, f in enumerate(maps):
      others = sum(dense(g, "key") for j, g in enumerate(maps) if j != i)
      scores = dense(f, "query") @ others.T / np.sqrt(2)
      logits.append((softmax(scores, 1) @ dense(f, "value")).reshape(2, 3))
    masks = np.repeat(np.repeat(softmax(np.stack(logits), 0), 2, 1), 2, 2)
    np.testing.assert_allclose(found[b], masks, atol=1e-5)
  np.testing.assert_allclose(np.sum(found, axis=1), 1, atol=1e-6)


def test_several_blends_distinct_rows_by_shares_that_sum_to_one():
  x = tiny_networks.batch()["x"]
  mixed = jax.device_get(jax.jit(SEVERAL)(KEY, x))
  assert mixed.sources.shape == mixed.weights.shape == (8, 3)
  np.testing.assert_array_equal(mixed.sources[:, 0], np.arange(8))
  assert all(len(set(row)) == 3 for row in mixed.sources)
  np.testing.assert_allclose(mixed.weights.sum(1), 1, atol=1e-6)
  expected = np.einsum("bk,bkhwc->bhwc", mixed.weights, np.asarray(x)[mixed.sources])
  np.testing.assert_allclose(mixed.x, expected, atol=1e-6)
  assert np.std(mixed.weights[:, 0]) > 0.01
  nothing = functools.partial(mixers.mixup, lam=0.0)
  few = jax.jit(functools.partial(mixers.several, mixer=nothing, count=2))
  np.testing.assert_allclose(few(KEY, x).weights, 0.5)


def test_several_says_what_it_needs_and_what_is_wrong():
  assert mixers.guidance_of(SEVERAL) == mixers.needs()
  for count in (1, 2.5):
    with pytest.raises(ValueError, match=f"count must be .* >= 2, got {count}"):
      SEVERAL(KEY, jnp.ones((4, 2)), count=count)


def test_the_losses_know_three_sources():
  rng = np.random.default_rng(0)
  logits = rng.normal(size=(5, 6)).astype(np.float32)
  labels = np.array([[0, 1, 2], [3, 3, 1], [5, 0, 5], [2, 2, 2], [1, 4, 0]])
  weights = rng.dirichlet(np.ones(3), size=5).astype(np.float32)
  target = np.einsum("bk,bkc->bc", weights, np.eye(6)[labels])
  expected = -np.sum(target * np.log(softmax(logits, 1)), axis=1)
  found, dm = jax.jit(lambda *x: (
      losses.mixup_cross_entropy(*x), losses.decoupled_cross_entropy(*x, eta=0.5)
  ))(logits, labels, weights)
  np.testing.assert_allclose(found, expected, rtol=1e-5)
  for b in range(5):
    mixed = sorted(set(labels[b]))
    rest = np.log(np.exp(np.delete(logits[b], mixed)).sum())
    terms = np.log1p(np.exp(rest - logits[b][mixed])) * (len(mixed) > 1)
    np.testing.assert_allclose(dm[b], expected[b] + 0.5 * terms.sum(), rtol=1e-5)


def test_as_a_mixer_weights_are_the_means_of_the_masks():
  x = tiny_networks.batch()["x"]
  logits = 3 * jax.random.normal(KEY, (8, 3, 6, 6))
  masks = jax.nn.softmax(logits, axis=1)
  seen = []

  def block(features, sources, weights, shape):
    seen.append((sources, weights, shape))
    return masks

  mixer = functools.partial(mixers.adautomix, block=block, features=None)
  mixed = jax.device_get(mixer(KEY, x, lam=0.3, partner="roll"))
  expected = np.einsum(
      "bkhw,bkhwc->bhwc", masks, np.asarray(x)[mixed.sources]
  )
  np.testing.assert_allclose(mixed.x, expected, atol=1e-5)
  np.testing.assert_allclose(mixed.weights, masks.mean((2, 3)), atol=1e-6)
  np.testing.assert_array_equal(mixed.mask[..., 0], masks[:, 0])
  np.testing.assert_array_equal(mixed.sources[3], [3, 2, 1])
  sources, shares, shape = seen[0]
  np.testing.assert_array_equal(sources, mixed.sources)
  np.testing.assert_allclose(shares[:, 0], 0.3, atol=1e-6)
  np.testing.assert_allclose(shares.sum(1), 1, atol=1e-6)
  assert shape == (6, 6)
  kept = mixer(KEY, x, lam=0.3, partner="roll", keep_lam=True).weights
  np.testing.assert_array_equal(kept, shares)
  with pytest.raises(ValueError, match=r"masks of the block must be \[B, K, H, W\]"):
    jax.eval_shape(functools.partial(mixer, count=2), KEY, x)


def neighbours(key, x, share=0.4):
  """Three rows of four, and shares: however the batch is split over devices."""
  del key
  rows = jnp.arange(x.shape[0])
  sources = jnp.stack([rows, rows ^ 1, rows ^ 2], axis=1).astype(jnp.int32)
  weights = jnp.broadcast_to(
      jnp.array([share, 0.6 * (1 - share), 0.4 * (1 - share)]), sources.shape
  )
  mixed = sum(weights[:, k, None, None, None] * x[sources[:, k]] for k in range(3))
  return mixers.Mixed(mixed, sources, weights)


def method(mixer=neighbours, **options):
  options = {"stage": "stage1", "total_steps": 10, "beta": 0.3} | options
  return methods.adautomix(
      tiny_networks.network(8), BLOCK, mixer, losses.mixup_cross_entropy, **options
  )


@functools.cache
def state_at(step=0):
  state = jax.jit(method().init)(KEY, tiny_networks.batch())
  return state.replace(
      step=jnp.int32(step), params=tiny_networks.noisy(state.params),
      extra=tiny_networks.noisy(state.extra, seed=1),
  )


@functools.partial(jax.jit, static_argnames="options")
def gradients(state, data, options=()):
  found = method(**dict(options))
  return jax.value_and_grad(found.loss, has_aux=True)(
      state.params, state, data, KEY
  )


def of_block(step, *options):
  grads = gradients(state_at(step), tiny_networks.batch(), options)[1]
  return np.concatenate([np.ravel(g) for g in jax.tree.leaves(grads["mix_block"])])


def test_every_second_step_is_adversarial():
  """A step of its own sign, and of the similarity, then one as in AutoMix."""
  hard, easy = of_block(0), of_block(1)
  np.testing.assert_allclose(of_block(2), hard, rtol=1e-5)
  np.testing.assert_allclose(of_block(3), easy, rtol=1e-5)
  penalty = of_block(0, ("cosine", "penalty"))
  scale = np.abs(easy).max()
  assert scale > 1e-5
  # beta of the loss with its sign turned, and the similarity with either sign.
  np.testing.assert_allclose(
      (hard + penalty) / 2, -0.3 * easy, atol=1e-3 * scale
  )
  assert np.abs(hard - penalty).max() > 1e-2 * scale


def test_every_third_step_if_that_is_the_interval():
  for step, same in ((0, 0), (1, 1), (2, 1), (3, 0)):
    np.testing.assert_allclose(
        of_block(step, ("interval", 3)), of_block(same), rtol=1e-4, atol=1e-7
    )


@jax.jit
def by_hand(state, data):
  """The student's loss with its mix by masks, and by shares alone."""
  net, x, labels = tiny_networks.network(8), data["x"], data["label"]
  teacher = {"params": state.extra["teacher"]}
  mixed = neighbours(None, x)
  features = net.predict(teacher, x, features="stage1")[1]
  masks = BLOCK.predict(
      {"params": state.params["mix_block"]},
      (features, mixed.sources, mixed.weights, x.shape[1:3]),
  )
  learned = jnp.einsum("bkhw,bkhwc->bhwc", masks, x[mixed.sources])
  student = {"params": state.params["student"]}
  loss = losses.mixup_cross_entropy
  pair, ones = labels[mixed.sources], jnp.ones((8, 1))
  first = loss(net.predict(student, x)[:, :4], labels[:, None], ones).mean()
  plain, masked = (
      loss(net.predict(student, each)[:, 4:], pair, mixed.weights).mean()
      for each in (mixed.x, learned)
  )
  taught = loss(net.predict(teacher, learned)[:, 4:], pair, mixed.weights)
  return 0.5 * (first + plain) + masked, 0.5 * first + 1.5 * plain, taught.mean()


def test_the_student_sees_the_masks_away_from_the_edges_and_plain_mixes_there():
  state, data = state_at(1), tiny_networks.batch()
  masked, plain, taught = by_hand(state, data)
  found = gradients(state, data)[0][0]
  np.testing.assert_allclose(found, masked + taught, rtol=1e-5)
  found = gradients(state, data, (("lam_margin", 0.4),))[0][0]
  np.testing.assert_allclose(found, plain + taught, rtol=1e-5)
  assert abs(masked - plain) > 1e-4


def test_each_loss_trains_its_own_network():
  """The student's gradient is the same whatever the generator is asked for."""
  data = tiny_networks.batch()
  first, second = (gradients(state_at(s), data)[1]["student"] for s in (0, 1))
  jax.tree.map(
      functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-7),
      first, second,
  )


def test_two_devices_have_the_gradient_of_one():
  state, data = state_at(0), tiny_networks.batch()
  whole = gradients(state, data)[1]
  parts = [gradients(state, part)[1] for part in tiny_networks.halves(data)]
  mean = jax.tree.map(lambda a, b: (a + b) / 2, *parts)
  jax.tree.map(
      functools.partial(np.testing.assert_allclose, atol=1e-5), whole, mean
  )


def test_the_teacher_follows_and_its_clean_head_is_evaluated():
  state, data = state_at(1), tiny_networks.batch()
  after = jax.jit(method(momentum=0.9).after_update)(state, None)
  expected = jax.tree.map(
      lambda k, q: 0.9 * k + 0.1 * q, state.extra["teacher"],
      state.params["student"],
  )
  jax.tree.map(
      functools.partial(np.testing.assert_allclose, atol=1e-6),
      after.extra["teacher"], expected,
  )
  logits = tiny_networks.network(8).predict(
      {"params": state.extra["teacher"]}, data["x"]
  )
  np.testing.assert_allclose(
      jax.jit(method().predict)(state, data), logits[:, :4], atol=1e-5
  )


def test_generator_and_teacher_resume_bit_for_bit(tmp_path):
  going_on.assert_exact(recipes.load("digits:resnet8,adautomix,smoke"), tmp_path)


def test_three_images_are_drawn_beside_their_mask(tmp_path):
  x = np.asarray(tiny_networks.batch()["x"])
  mixed = neighbours(None, jnp.asarray(x))
  mixed = mixed._replace(mask=jnp.full((8, 6, 6, 1), 0.4))
  path = tmp_path / "masks.png"
  comparisons.masks(x[:4], [mixed], [0.4], path)
  assert path.stat().st_size > 0


@pytest.mark.parametrize("options,message", (
    ({"beta": 1.5}, r"beta must lie in \[0, 1\], got 1.5"),
    ({"linear": -1.0}, "linear must lie in"),
    ({"lam_margin": 0.6}, r"lam_margin must lie in \[0, 0.5\]"),
    ({"interval": 0}, "interval must be an integer >= 1, got 0"),
    ({"cosine": "both"}, "cosine must be one of .*'both'"),
    ({"stage": "attention"}, "stage must be a stage"),
))
def test_misuse_is_named(options, message):
  with pytest.raises(ValueError, match=message):
    method(**options)


def test_a_run_that_does_not_fit_is_named():
  parts = methods.Parts(
      network=tiny_networks.network, num_classes=4, mixer=neighbours,
      guidance=mixers.needs(), loss=losses.mixup_cross_entropy, total_steps=8,
      steps=None, teacher=None,
  )
  with pytest.raises(ValueError, match="mix_block has no option 'embd'.*'embed'"):
    make(parts, mix_block={"embd": True})
  needy = parts._replace(guidance=mixers.needs("saliency"))
  with pytest.raises(ValueError, match="without guidance for method 'adautomix'"):
    make(needy)

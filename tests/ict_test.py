"""Interpolation consistency training against golden values and twins."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import losses
from dmjax import methods
from dmjax import mixers
from dmjax.methods import guesses
from dmjax.methods.ict import consistency
from dmjax.methods.ict import decay_at
from dmjax.methods.ict import MIXES
from dmjax.methods.ict import sigmoid_ramp
from dmjax.methods.ict import target
from tests import semi_programs as programs

PLAIN = losses.mixup_cross_entropy
# Not folded: what is mixed is mostly the partner.
LAM = 0.2


@pytest.fixture(scope="module")
def golden():
  loaded = np.load(programs.GOLDEN)
  return {
      name.removeprefix("ict_"): loaded[name]
      for name in loaded.files if name.startswith("ict_")
  }


def pairs(partner, lam):
  sources = np.stack([np.arange(len(partner)), partner], axis=1)
  lam = np.broadcast_to(lam, len(partner))
  return mixers.Mixed(None, sources, np.stack([lam, 1 - lam], axis=1))


@programs.needs_golden
def test_target_loss_and_gradient_equal_the_reference(golden):
  mixed = pairs(golden["perm"], golden["lam"])
  with jax.enable_x64(True):
    wanted = target(jnp.asarray(golden["teacher"]), mixed, "logits")
    loss, grad = jax.value_and_grad(
        lambda z: jnp.mean(consistency(z, wanted))
    )(jnp.asarray(golden["student"]))
  np.testing.assert_allclose(wanted, golden["target"], atol=1e-10)
  np.testing.assert_allclose(loss, golden["loss"], atol=1e-10)
  np.testing.assert_allclose(grad, golden["grad"], atol=1e-10)


@programs.needs_golden
def test_mixed_probabilities_equal_the_port(golden):
  u, w = golden["port_u"], golden["port_w"]
  lam = np.maximum(golden["port_lam"], 1 - golden["port_lam"])
  mixed = mixers.mixup(
      jax.random.key(0), jnp.asarray(u, jnp.float32), lam=lam, partner="flip"
  )
  wanted = target(jnp.asarray(u @ w, jnp.float32), mixed, "probabilities")
  loss = np.mean(consistency(mixed.x @ np.float32(w), wanted))
  np.testing.assert_allclose(loss, golden["port_loss_u"], rtol=3e-6)


@programs.needs_golden
def test_the_weight_rises_as_in_the_reference(golden):
  """By epochs of 10 steps, over 100 of 400 epochs."""
  steps = np.round(10 * golden["epoch"])
  rise = sigmoid_ramp(guesses.ramp(steps, 4000, 0.25))
  np.testing.assert_allclose(100 * rise, golden["weight"], rtol=1e-5)


@programs.needs_golden
def test_the_teacher_equals_the_reference(golden):
  params, average = golden["ema_params"], golden["ema_average"]
  found = average[0]
  for t in range(1, len(params)):
    decay = float(decay_at(np.float64(t), golden["ema_decay"]))
    found = decay * found + (1 - decay) * params[t]
    np.testing.assert_allclose(found, average[t], rtol=1e-5)


@functools.cache
def method_of(mix="logits", mixer=None):
  mixer = mixer or functools.partial(mixers.mixup, partner="flip", lam=LAM)
  return methods.ict(
      programs.linear_network(programs.CLASSES), mixer, PLAIN,
      num_classes=programs.CLASSES, total_steps=40, mix=mix, weight=30.0,
      ema_decay=0.6,
  )


def state_of(method):
  """With a teacher that is another network."""
  state = programs.state_of(method, 4)
  other = np.random.default_rng(5).normal(size=state.params["w"].shape)
  return state.replace(ema={"w": jnp.asarray(other, jnp.float32)})


@pytest.mark.parametrize("mix", MIXES)
def test_loss_and_gradient_of_a_step_equal_the_twin(mix):
  method, batch = method_of(mix), programs.batch_of(["weak"])
  state = state_of(method)
  loss, aux, grad = programs.loss_and_gradient(method, state, batch)
  w, teacher = (programs.flat(p["w"]) for p in (state.params, state.ema))
  mixed = functools.partial(programs.flip_mixed, lam=LAM)
  x = mixed(programs.flat(batch["labelled"]["x"]))
  y = mixed(programs.one_hot(batch["labelled"]["label"]))
  clean = programs.flat(batch["unlabelled"]["weak"])
  u, taught = mixed(clean), clean @ teacher
  wanted = (
      programs.softmax(mixed(taught)) if mix == "logits"
      else mixed(programs.softmax(taught))
  )
  weight = 30 * np.exp(-5 * 0.6**2)  # 4 of 10 steps of the ramp.
  labelled = programs.cross_entropy(x @ w, y)
  unlabelled = (programs.softmax(u @ w) - wanted) ** 2
  np.testing.assert_allclose(
      loss, labelled.mean() + weight * unlabelled.mean(), rtol=1e-5
  )
  expected = x.T @ programs.ce_gradient(x @ w, y)
  expected += weight * u.T @ programs.l2_gradient(u @ w, wanted)
  np.testing.assert_allclose(grad, expected, atol=2e-5)
  # Of the mixed images of the student alone.
  seen = np.concatenate([x, u]).mean()
  np.testing.assert_allclose(aux.model_state["stats"]["mean"], seen, rtol=1e-5)


def test_without_mixing_it_is_mean_teacher():
  method = method_of(mixer=mixers.identity)
  state, batch = state_of(method), programs.batch_of(["weak"])
  _, aux, _ = programs.loss_and_gradient(method, state, batch)
  u = programs.flat(batch["unlabelled"]["weak"])
  student, teacher = (
      programs.softmax(u @ programs.flat(p["w"]))
      for p in (state.params, state.ema)
  )
  total, count = aux.metrics["loss_unlabelled"]
  expected = np.mean((student - teacher) ** 2)
  np.testing.assert_allclose(total / count, expected, rtol=1e-5)


def test_the_teacher_is_first_the_mean_and_then_a_window():
  method = method_of()
  state = programs.state_of(method, 0)
  update = jax.jit(method.after_update)
  start = {"w": jnp.full_like(state.params["w"], 9.0)}
  state, mean = state.replace(ema=start), 9.0
  for t, value in enumerate((1.0, 4.0, 2.0), start=1):
    params = {"w": jnp.full_like(state.params["w"], value)}
    state = update(state.replace(params=params, step=jnp.int32(t)), None)
    # 1 - 1 / (t + 1) is 0.5, 0.667, 0.75: beyond the first 0.6 bounds it.
    mean = (mean + value) / 2 if t == 1 else 0.6 * mean + 0.4 * value
    np.testing.assert_allclose(state.ema["w"], mean, rtol=1e-6)


@pytest.mark.parametrize(
    "name,value", (("mix", "labels"), ("weight", -1.0), ("ramp_share", 2.0),
                   ("ema_decay", 1.0))
)
def test_options_out_of_range_are_named(name, value):
  with pytest.raises(ValueError, match=f"{name} must .* '?{value}"):
    methods.ict(
        None, mixers.mixup, PLAIN, num_classes=3, total_steps=9, **{name: value}
    )


def test_any_mixer_without_guidance_will_do():
  make = methods.METHODS["ict"]
  both = functools.partial(mixers.choose, mixers=(mixers.mixup, mixers.cutmix))
  method = make(programs.parts_of(both, PLAIN), mix="probabilities")
  assert method.views["unlabelled"] == {"weak": "weak"}
  with pytest.raises(ValueError, match="mix must be a mixer without guidance"):
    make(programs.parts_of(
        mixers.alignmix, PLAIN, mixers.guidance_of(mixers.alignmix)
    ))

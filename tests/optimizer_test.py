"""Optimizers, schedules and durations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import config as config_lib
from dmjax import recipes
from dmjax.train import durations
from dmjax.train import optimizer as optimizer_lib


def schedule(**changes):
  section = config_lib.default().schedule
  section.update(changes)
  return optimizer_lib.make_schedule(
      section, lr=0.4, warmup_steps=10, total_steps=110, steps_per_epoch=20
  )


def test_a_warmup_multiplies_the_cosine_of_the_whole_training():
  rate = schedule(warmup_lr=0.1, end_lr=0.05)
  for t in (0, 1, 5, 9, 10, 11, 60, 109, 110):
    cosine = 0.05 + 0.35 * (1 + np.cos(np.pi * t / 110)) / 2
    factor = min(1, 0.25 + 0.75 * t / 10)
    np.testing.assert_allclose(rate(t), cosine * factor, rtol=1e-5)


def test_per_epoch_holds_the_cosine_within_an_epoch_and_not_the_warmup():
  rate = schedule(per_epoch=True)
  for t in range(110):
    cosine = 0.4 * (1 + np.cos(np.pi * (t // 20 * 20) / 110)) / 2
    np.testing.assert_allclose(rate(t), cosine * min(1, t / 10), atol=1e-6)


def test_two_drops_are_those_of_mixupe_at_300_and_600_of_800_epochs():
  section = config_lib.default().schedule
  section.name = "two_drops"
  rate = optimizer_lib.make_schedule(
      section, lr=0.1, warmup_steps=0, total_steps=8000, steps_per_epoch=10
  )
  steps = np.array([0, 2999, 3001, 5999, 6001, 7999])
  rates = [0.1, 0.1, 0.01, 0.01, 1e-3, 1e-3]
  np.testing.assert_allclose([rate(t) for t in steps], rates, rtol=1e-5)


@pytest.mark.parametrize(
    "recipe,peak,first,last,epochs,warmup,held",
    (
        ("cifar100:deit_small,mixup", 1e-3, 0.0, 1e-6, 200, 20, False),
        ("imagenet:swin_tiny,mixup", 1e-3, 0.0, 1e-5, 300, 20, False),
        ("imagenet:convnext_tiny,mixup", 4e-3, 0.0, 1e-6, 300, 20, False),
        ("imagenet:resnet50,rsb_a3,mixup", 8e-3, 8e-8, 1e-6, 100, 5, True),
    ),
)
def test_the_rates_of_recipes_are_those_published(
    recipe, peak, first, last, epochs, warmup, held
):
  """The closed form, at a dozen steps of a training of ten steps an epoch."""
  config = recipes.load(recipe)
  size = 10 * config.batch_size
  _, rate = optimizer_lib.of_run(config, durations.of_run(config, size))
  for t in (0, 1, 7, 15, 49, 50, 51, 199, 200, 333, 500, 10 * epochs - 1):
    place = t // 10 * 10 if held else t
    cosine = last + (peak - last) * (1 + np.cos(np.pi * place / (10 * epochs))) / 2
    share = first / peak
    factor = share + (1 - share) * min(1, t / (10 * warmup))
    np.testing.assert_allclose(rate(t), cosine * factor, rtol=1e-4, atol=1e-9)


def test_the_first_epoch_of_rsb_warms_up():
  config = recipes.load("imagenet:resnet50,rsb_a3,mixup")
  times = durations.of_run(config, 100 * config.batch_size)
  _, rate = optimizer_lib.of_run(config, times)
  assert np.mean([rate(t) for t in range(100)]) == pytest.approx(8e-4, rel=0.02)


def seven_sixteenths(total, **changes):
  section = config_lib.default().schedule
  section.update(name="cosine_7_16", **changes)
  return optimizer_lib.make_schedule(
      section, lr=0.03, warmup_steps=0, total_steps=total, steps_per_epoch=1024
  )


def test_the_rate_of_fixmatch_is_a_part_of_a_cosine():
  """Of 2^20 steps, the closed form, and values to be read."""
  rate = seven_sixteenths(2**20)
  golden = {0: 0.03, 2**18: 0.028246, 2**19: 0.02319, 2**20: 0.005853}
  for t, value in golden.items():
    np.testing.assert_allclose(rate(t), value, atol=5e-7)
  for t in (1, 1000, 2**17 + 5, 2**20 - 1):
    closed = 0.03 * np.cos(7 * np.pi * t / (16 * 2**20))
    np.testing.assert_allclose(rate(t), closed, rtol=1e-5)
    # A checkpoint's step is an integer of the device.
    np.testing.assert_allclose(jax.jit(rate)(jnp.int32(t)), closed, rtol=1e-5)


def test_the_rate_of_fixmatch_can_be_held_within_an_epoch():
  rate = seven_sixteenths(4096, per_epoch=True)
  assert rate(1024) == rate(2047) != rate(2048)


def written_out_lamb(params, grads, decayed, lr, weight_decay):
  """LAMB in NumPy, as the published code: every update of some gradients."""
  m = {k: np.zeros_like(v) for k, v in params.items()}
  v = {k: np.zeros_like(p) for k, p in params.items()}
  params = dict(params)
  for t, grad in enumerate(grads, 1):
    norm = np.sqrt(sum(np.sum(g**2) for g in grad.values()))
    grad = {k: g / max(norm, 1.0) for k, g in grad.items()}
    for k, p in params.items():
      m[k] = 0.9 * m[k] + 0.1 * grad[k]
      v[k] = 0.999 * v[k] + 0.001 * grad[k] ** 2
      update = m[k] / (1 - 0.9**t)
      update = update / (np.sqrt(v[k] / (1 - 0.999**t)) + 1e-6)
      ratio = 1.0
      if k in decayed:
        update = update + weight_decay * p
        ratio = np.linalg.norm(p) / np.linalg.norm(update)
      params[k] = p - lr * ratio * update
  return params


def test_lamb_is_that_of_the_published_code():
  rng = np.random.default_rng(0)
  params = {"kernel": rng.normal(size=(3, 4)), "scale": np.zeros(4)}
  draw = lambda: {k: 3 * rng.normal(size=v.shape) for k, v in params.items()}
  grads = [draw() for _ in range(4)]
  expected = written_out_lamb(params, grads, {"kernel"}, 0.1, 0.02)
  section = recipes.load("imagenet:resnet50,rsb_a3,mixup").optimizer
  tx = optimizer_lib.make_optimizer(section, lambda step: 0.1)
  found = jax.tree.map(jnp.float32, params)
  state = tx.init(found)
  for grad in grads:
    updates, state = tx.update(jax.tree.map(jnp.float32, grad), state, found)
    found = jax.tree.map(lambda p, u: p + u, found, updates)
  for name in params:
    np.testing.assert_allclose(found[name], expected[name], rtol=1e-4, atol=1e-5)
  assert np.abs(found["scale"]).min() > 0.03  # A norm that starts at zero moves.


def _update(name, params, grads, **changes):
  section = config_lib.default().optimizer
  if name != "sgd":
    del section.momentum
  section.update(name=name, **changes)
  tx = optimizer_lib.make_optimizer(section, lambda step: 0.1)
  updates, _ = tx.update(grads, tx.init(params), params)
  return updates


def test_weight_decay_can_skip_norms_and_biases():
  params = {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}
  zeros = jax.tree.map(jnp.zeros_like, params)
  for name in optimizer_lib.OPTIMIZERS:
    options = {"weight_decay": 0.5, "decay_all": False}
    updates = _update(name, params, zeros, **options)
    assert np.all(updates["kernel"] < 0) and np.all(updates["bias"] == 0)
    everything = _update(name, params, zeros, weight_decay=0.5, decay_all=True)
    assert np.all(everything["bias"] < 0)


def test_sgd_adds_the_decay_to_the_gradient_before_momentum():
  params, grads = {"w": jnp.full((2, 2), 2.0)}, {"w": jnp.full((2, 2), 3.0)}
  updates = _update("sgd", params, grads, weight_decay=0.5)
  np.testing.assert_allclose(updates["w"], -0.1 * (3.0 + 0.5 * 2.0))


def test_adam_adds_the_decay_to_the_gradient_before_its_moments():
  params = {"w": jnp.array([[2.0, -1.0]])}
  grads = {"w": jnp.array([[-1.0, 3.0]])}
  updates = _update("adam", params, grads, weight_decay=1.0, eps=1.0)
  whole = np.array([[1.0, 2.0]])  # The first step of Adam is g / (|g| + eps).
  np.testing.assert_allclose(updates["w"], -0.1 * whole / (whole + 1), rtol=1e-5)


def test_gradients_are_clipped_to_their_norm():
  params, grads = {"w": jnp.zeros((2, 2))}, {"w": jnp.full((2, 2), 10.0)}
  updates = _update("sgd", params, grads, clip_norm=1.0, weight_decay=0.0)
  np.testing.assert_allclose(jnp.linalg.norm(updates["w"]), 0.1, rtol=1e-5)


@pytest.mark.parametrize(
    "duration,steps",
    (("3 epochs", 30), ("1 epoch", 10), ("7 steps", 7), ("64 examples", 4),
     ("50 %", 100), ("0.5 epochs", 5), ("0 steps", 0)),
)
def test_durations_are_counted_in_steps(duration, steps):
  assert steps == durations.steps(
      "total", duration, batch_size=16, size=163, total=200
  )


@pytest.mark.parametrize("duration", ("3", "epochs", "-1 steps", "3 hours", ""))
def test_what_is_no_duration_is_named(duration):
  with pytest.raises(ValueError, match="total must be a duration such as"):
    durations.steps("total", duration, batch_size=16, size=163)


def test_tables_of_positions_are_not_decayed():
  kernel, vector = jnp.ones((2, 3)), jnp.ones(3)
  params = {
      "block": {"qkv": {"kernel": kernel, "bias": vector}},
      "pos_embed": jnp.ones((1, 4, 3)),
      "cls_token": jnp.ones((1, 1, 3)),
      "attn": {"relative_position_bias_table": kernel},
  }
  mask = optimizer_lib.decay_mask(params)
  assert mask == {
      "block": {"qkv": {"kernel": True, "bias": False}},
      "pos_embed": False,
      "cls_token": False,
      "attn": {"relative_position_bias_table": False},
  }

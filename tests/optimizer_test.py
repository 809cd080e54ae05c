"""Optimizers, schedules and durations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import config as config_lib
from dmjax.train import durations
from dmjax.train import optimizer as optimizer_lib


def schedule(**changes):
  section = config_lib.default().schedule
  section.update(changes)
  return optimizer_lib.make_schedule(
      section, lr=0.4, warmup_steps=10, total_steps=110, steps_per_epoch=20
  )


def test_warmup_is_linear_and_the_cosine_ends_at_its_end():
  rate = schedule(warmup_lr=0.1, end_lr=0.05)
  np.testing.assert_allclose([rate(0), rate(5)], [0.1, 0.25], rtol=1e-6)
  np.testing.assert_allclose(rate(10), 0.4, rtol=1e-6)
  np.testing.assert_allclose(rate(60), (0.4 + 0.05) / 2, rtol=1e-5)
  np.testing.assert_allclose(rate(110), 0.05, rtol=1e-5)


def test_per_epoch_holds_the_rate_within_an_epoch():
  stepped, smooth = schedule(per_epoch=True), schedule()
  for step in range(110):
    np.testing.assert_allclose(stepped(step), smooth(step // 20 * 20))


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

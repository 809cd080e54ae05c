"""Whole runs of AutoMix: groups, reports, resuming, and what is refused."""

import jax.numpy as jnp
import numpy as np
import pytest

from dmjax.train import durations
from dmjax.train import loop
from dmjax.train import optimizer as optimizer_lib
from dmjax.train import progress
from tests import tiny_automix_config
from tests.train_test import assert_same_state
from tests.train_test import terminate_at

TIMES = durations.Durations(10, epoch=1, warmup=0, evaluate=1, checkpoint=1, log=1)


def test_groups_of_parameters_have_optimizers_of_their_own():
  config = tiny_automix_config.get_config()
  config.optimizer.update(lr=0.1, weight_decay=0.0, momentum=0.0)
  config.method.groups.mix_block = {"lr": 0.02, "end_lr": 0.01, "momentum": 0.5}
  tx, schedule = optimizer_lib.of_run(config, TIMES)
  params = {"student": {"w": jnp.ones(2)}, "mix_block": {"w": jnp.ones(2)}}
  state, seen = tx.init(params), []
  for _ in range(10):
    updates, state = tx.update(params, state, params)
    seen.append([updates[k]["w"][0] for k in ("student", "mix_block")])
  student, block = -np.array(seen).T
  cosine = (1 + np.cos(np.pi * np.arange(10) / 10)) / 2
  np.testing.assert_allclose(student, 0.1 * cosine, atol=1e-6)
  trace = 2 - 0.5 ** np.arange(10)  # Of gradients 1 with momentum 1/2.
  np.testing.assert_allclose(block, (0.01 + 0.01 * cosine) * trace, rtol=1e-4)
  np.testing.assert_allclose(schedule(0), 0.1)


@pytest.mark.parametrize(
    "warmup,steps", (("0 epochs", 0), ("3 epochs", 6), ("50 %", 5), (None, 4))
)
def test_a_group_may_have_a_warmup_of_its_own(warmup, steps):
  config = tiny_automix_config.get_config()
  config.optimizer.update(lr=0.1, weight_decay=0.0, momentum=0.0)
  config.schedule.warmup_lr = 0.02
  own = {"warmup": warmup} if warmup else {}
  config.method.groups.mix_block = {"lr": 0.2} | own
  times = TIMES._replace(warmup=4, epoch=2)
  tx, schedule = optimizer_lib.of_run(config, times)
  params = {"student": {"w": jnp.ones(2)}, "mix_block": {"w": jnp.ones(2)}}
  state, seen = tx.init(params), []
  for _ in range(10):
    updates, state = tx.update(params, state, params)
    seen.append([updates[k]["w"][0] for k in ("student", "mix_block")])
  student, block = -np.array(seen).T
  t = np.arange(10)
  cosine = (1 + np.cos(np.pi * t / 10)) / 2
  ramp = 0.2 + 0.8 * np.minimum(t / 4, 1)
  np.testing.assert_allclose(student, 0.1 * cosine * ramp, atol=1e-6)
  ramp = 0.1 + 0.9 * np.minimum(t / steps, 1) if steps else 1
  np.testing.assert_allclose(block, 0.2 * cosine * ramp, atol=1e-6)
  np.testing.assert_allclose(schedule(2), student[2], rtol=1e-6)


@pytest.mark.parametrize(
    "warmup,message",
    (("soon", "a duration such as .* got 'soon'"), (5, "a duration .* got 5"),
     ("25 steps", "at most the 24 steps of total, got '25 steps'")),
)
def test_a_bad_warmup_of_a_group_is_named(warmup, message, tmp_path):
  config = tiny_automix_config.get_config()
  config.method.groups.mix_block.warmup = warmup
  key = r"method\.groups\.mix_block\.warmup must be "
  with pytest.raises(ValueError, match=key + message):
    loop.train(config, tmp_path / "run")
  assert not (tmp_path / "run").exists()


def test_all_groups_are_clipped_by_one_norm():
  config = tiny_automix_config.get_config()
  config.optimizer.update(clip_norm=1.0, lr=1.0, weight_decay=0.0)
  config.method.groups.mix_block = {"lr": 1.0}
  tx, _ = optimizer_lib.of_run(config, TIMES)
  grads = {"student": jnp.full(1, 3.0), "mix_block": jnp.full(1, 4.0)}
  updates, _ = tx.update(grads, tx.init(grads), grads)
  np.testing.assert_allclose(updates["student"], -0.6, rtol=1e-6)
  np.testing.assert_allclose(updates["mix_block"], -0.8, rtol=1e-6)


def test_a_run_reports_the_mask(tiny_automix_run):
  workdir, result = tiny_automix_run
  assert result.finished and result.step == 24
  last = [r for r in progress.read_metrics(workdir) if "train/loss" in r][-1]
  assert {"train/mask_gap", "train/mask_loss", "train/mix_block_loss"} <= set(last)
  assert loop.evaluate(tiny_automix_config.get_config(), workdir) == (
      pytest.approx(result.metrics)
  )


@pytest.mark.usefixtures("without_pictures")
def test_sigterm_saves_and_the_run_resumes_bit_for_bit(
    tiny_automix_run, tmp_path, monkeypatch
):
  terminate_at(monkeypatch, 7)
  stopped = loop.train(tiny_automix_config.get_config(), tmp_path)
  assert not stopped.finished and stopped.step == 7
  assert loop.train(tiny_automix_config.get_config(), tmp_path).finished
  assert_same_state(tiny_automix_run[0], tmp_path)


def test_a_second_average_is_refused(tmp_path):
  config = tiny_automix_config.get_config()
  config.method.ema_decay = 0.9
  with pytest.raises(ValueError, match="'automix' has no option 'ema_decay'"):
    loop.train(config, tmp_path / "run")
  assert not (tmp_path / "run").exists()


def test_a_mixer_that_needs_guidance_is_refused(tmp_path):
  config = tiny_automix_config.get_config()
  config.mix = {"name": "puzzlemix", "blocks": 4}
  with pytest.raises(ValueError, match="must be a mixer without guidance"):
    loop.train(config, tmp_path / "run")

"""Training that starts from published parameters."""

import jax
import numpy as np
import pytest
from safetensors import numpy as safetensors

from dmjax import recipes
from dmjax.train import loop
from dmjax.train import run as run_lib
from dmjax.train import starting
from tests import pretrained_test


@pytest.fixture
def path(tmp_path):
  path = tmp_path / "net.safetensors"
  safetensors.save_file(pretrained_test.small_state(), path)
  return str(path)


def configuration(mixer, path):
  """A fine-grained recipe on a network as small as that of the file."""
  config = recipes.load(f"cub200:resnet18,{mixer},smoke")
  config.model.name = "resnet18"
  config.pretrained = path
  return config


def first_state(config):
  run = run_lib.assemble(config)
  return loop.first_state(run, 0, starting.first_variables(run))


def assert_from_the_file(params, stats, outputs):
  state = pretrained_test.small_state()
  kernel = state["layer2.0.conv1.weight"].transpose(2, 3, 1, 0)
  np.testing.assert_array_equal(params["stage2_block0"]["conv1"]["kernel"], kernel)
  np.testing.assert_array_equal(
      stats["batch_stats"]["stem_norm"]["mean"], state["bn1.running_mean"]
  )
  assert params["head"]["kernel"].shape == (8, outputs)


def test_supervised_training_starts_from_the_file_with_a_head_of_its_own(path):
  config = configuration("cutmix", path)
  config.method.ema_decay = 0.9
  state = first_state(config)
  assert_from_the_file(state.params, state.model_state, 10)
  assert_from_the_file(*state.ema, 10)


def test_student_and_teacher_start_from_the_file_with_two_heads(path):
  state = first_state(configuration("automix", path))
  for params, network in (
      (state.params["student"], "student"), (state.extra["teacher"], "teacher")
  ):
    assert_from_the_file(params, state.model_state[network], 2 * 10)


def test_a_run_starts_from_the_file(path, tmp_path, monkeypatch):
  for draw in ("save", "save_masks"):
    monkeypatch.setattr(loop.preview, draw, lambda *_: None)
  monkeypatch.setattr(loop.progress.plots, "curves", lambda *_, **__: None)
  config = configuration("cutmix", path)
  config.optimizer.lr = 1e-12
  assert loop.train(config, tmp_path / "run").finished
  state = run_lib.restore(run_lib.assemble(config), tmp_path / "run")
  state = jax.device_get(state)
  kernel = pretrained_test.small_state()["layer1.0.conv2.weight"]
  np.testing.assert_allclose(
      state.params["stage1_block0"]["conv2"]["kernel"],
      kernel.transpose(2, 3, 1, 0), atol=1e-6,
  )


def test_a_file_that_is_not_there_is_named_before_anything_is_written(tmp_path):
  config = configuration("cutmix", "nowhere.safetensors")
  with pytest.raises(ValueError, match="pretrained must be.*nowhere.safetensors"):
    loop.train(config, tmp_path / "run")
  assert not (tmp_path / "run").exists()

"""Whole runs: what they write, how they resume, and how they end."""

import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest

from dmjax import parallel
from dmjax import recipes
from dmjax.train import loop
from dmjax.train import progress
from dmjax.train import workdir as workdir_lib
from tests import tiny_config

ROOT = pathlib.Path(__file__).parents[1]


def params_of(workdir, folder="checkpoints"):
  """Every array of the newest checkpoint, in order, whoever saved it."""
  step = max(int(p.name) for p in (workdir / folder).iterdir())
  path = workdir / folder / str(step) / "state"
  with ocp.PyTreeCheckpointer() as checkpointer:
    tree = checkpointer.metadata(path).item_metadata.tree
    as_numpy = jax.tree.map(lambda _: ocp.RestoreArgs(np.ndarray), tree)
    state = checkpointer.restore(path, restore_args=as_numpy)
  return jax.tree.leaves(state)


def assert_same_state(workdir, other):
  for a, b in zip(params_of(workdir), params_of(other), strict=True):
    np.testing.assert_array_equal(a, b)


pytestmark = pytest.mark.usefixtures("without_pictures")


def test_a_run_writes_what_it_promises(tiny_run):
  workdir, result = tiny_run
  assert result.finished and result.step == 24
  for name in ("config.json", "curves.png", "mixed.png", "metrics.jsonl"):
    assert (workdir / name).stat().st_size > 0
  assert list((workdir / "tensorboard").glob("events*"))
  rows = progress.read_metrics(workdir)
  assert [r["step"] for r in rows if "test/top1" in r] == [12, 24]
  assert [r["step"] for r in rows if "train/loss" in r][-1] == 24
  assert set(result.metrics) == {
      "top1", "top5", "nll", "ece", "mixed_top1", "mixed_top2"
  }


def test_the_last_few_checkpoints_and_the_best_are_kept(tiny_run):
  workdir, _ = tiny_run
  steps = sorted(int(p.name) for p in (workdir / "checkpoints").iterdir())
  assert steps[-2:] == [20, 24] and len(steps) <= 3


def test_a_finished_run_is_not_trained_again(tiny_run):
  workdir, result = tiny_run
  before = (workdir / "metrics.jsonl").read_text()
  again = loop.train(tiny_config.get_config(), workdir)
  assert again.finished and again.metrics == result.metrics
  assert (workdir / "metrics.jsonl").read_text() == before


def terminate_at(monkeypatch, when):
  """Lets this process get a SIGTERM in that step of a run."""
  original = progress.Reporter.step

  def step(self, step, metrics, steps):
    original(self, step, metrics, steps)
    if step == when:
      os.kill(os.getpid(), signal.SIGTERM)

  monkeypatch.setattr(progress.Reporter, "step", step)


def test_sigterm_saves_and_the_run_resumes_bit_for_bit(
    tiny_run, tmp_path, monkeypatch
):
  """And the same seed gives the same parameters."""
  terminate_at(monkeypatch, 7)
  stopped = loop.train(tiny_config.get_config(), tmp_path)
  assert not stopped.finished and stopped.step == 7
  assert loop.train(tiny_config.get_config(), tmp_path).finished
  assert_same_state(tiny_run[0], tmp_path)
  rows = [json.dumps(r) for r in progress.read_metrics(tmp_path)]
  assert len(rows) == len(set(rows))


def test_several_steps_in_one_call_give_the_same_parameters(tiny_run, tmp_path):
  config = tiny_config.get_config()
  config.steps_per_call = 3
  config.evaluate.every = config.checkpoint.every = "12 steps"
  loop.train(config, tmp_path)
  for a, b in zip(params_of(tiny_run[0]), params_of(tmp_path), strict=True):
    np.testing.assert_allclose(a, b, atol=2e-4)


def damage_newest(workdir):
  """Overwrites all files of the newest state."""
  folder = workdir / "checkpoints" / str(newest(workdir)) / "state"
  files = [path for path in folder.rglob("*") if path.is_file()]
  for path in files:
    path.write_bytes(b"damaged")
  assert files


def test_a_damaged_checkpoint_falls_back_to_the_one_before(
    tiny_run, tmp_path, caplog
):
  workdir = pathlib.Path(shutil.copytree(tiny_run[0], tmp_path / "run"))
  damage_newest(workdir)
  assert loop.train(tiny_config.get_config(), workdir).finished
  assert "cannot be read" in caplog.text
  assert (workdir / "damaged" / "24").exists()
  assert_same_state(tiny_run[0], workdir)


def test_a_loss_that_is_not_finite_stops_the_run_and_saves_nothing(tmp_path):
  config = tiny_config.get_config()
  config.optimizer.lr = 1e30
  with pytest.raises(progress.Diverged, match=r"the loss is (nan|inf) at step"):
    loop.train(config, tmp_path)
  if list((tmp_path / "checkpoints").glob("*")):
    assert all(np.isfinite(leaf).all() for leaf in params_of(tmp_path))


def stop_at(step):
  """Instead of the signals, a SIGTERM in that step."""
  return lambda: contextlib.nullcontext(
      lambda now: signal.SIGTERM * (now == step)
  )


def test_streaming_trains_and_resumes_bit_for_bit(tmp_path, monkeypatch):
  config = tiny_config.get_config()
  config.data.pipeline = "streaming"
  config.data.image_size = 12
  config.total = config.evaluate.every = "10 steps"
  whole, parts = tmp_path / "whole", tmp_path / "parts"
  assert loop.train(config, whole).finished
  with monkeypatch.context() as patch:
    patch.setattr(loop.signals, "asked_to_stop", stop_at(5))
    assert loop.train(config, parts).step == 5
  assert loop.train(config, parts).finished
  assert_same_state(whole, parts)


def test_the_average_is_evaluated_when_there_is_one(tiny_run):
  workdir, result = tiny_run
  metrics = loop.evaluate(tiny_config.get_config(), workdir)
  assert metrics == pytest.approx(result.metrics)


def run(workdir, overrides=()):
  """The command line in a process that compiles what these tests do."""
  command = [
      sys.executable, "-m", "dmjax.main", "train",
      "--config", str(ROOT / "tests" / "tiny_config.py"),
      "--workdir", str(workdir), *overrides,
  ]
  environment = os.environ | {
      "JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": "4",
      "JAX_DISABLE_MOST_OPTIMIZATIONS": "1", "PYTHONPATH": str(ROOT),
  }
  return subprocess.Popen(
      command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE,
      stderr=subprocess.STDOUT,
  )


def newest(workdir):
  """The step of the newest checkpoint, 0 without one."""
  found = (workdir / "checkpoints").glob("*")
  return max((int(p.name) for p in found if p.name.isdigit()), default=0)


def test_killed_anywhere_a_run_ends_with_the_same_parameters(
    tiny_run, tmp_path
):
  """SIGKILL and SIGTERM at random moments; DMJAX_KILLS sets how many."""
  kills, rng, met = int(os.environ.get("DMJAX_KILLS", 1)), random.Random(0), 0
  overrides = [f"--config.total={24 * kills} steps"]
  whole, killed = tiny_run[0], tmp_path / "killed"
  if kills > 1:
    whole = tmp_path / "whole"
    process = run(whole, overrides)
    assert process.wait(600) == 0, process.stdout.read()
  for attempt in range(kills):
    # While the program starts, or up to four checkpoints later.
    further = rng.randint(0, 4)
    target = newest(killed) + 4 * further
    process = run(killed, overrides)
    while process.poll() is None and newest(killed) < target:
      time.sleep(0.01)
    time.sleep(rng.uniform(0, 0.1 if further else 3.0))
    met += process.poll() is None and newest(killed) < 24 * kills
    process.send_signal(signal.SIGTERM if attempt % 4 == 1 else signal.SIGKILL)
    assert process.wait(300) in (-signal.SIGKILL, -signal.SIGTERM, 75, 0)
  assert met >= kills / 2
  process = run(killed, overrides)
  assert process.wait(600) == 0, process.stdout.read()
  assert_same_state(whole, killed)


def test_a_kill_while_a_file_is_written_leaves_the_old_one(tmp_path, monkeypatch):
  path = tmp_path / "metrics.jsonl"
  workdir_lib.write_whole(path, "old")

  def killed(*_):
    raise KeyboardInterrupt

  monkeypatch.setattr(pathlib.Path, "replace", killed)
  with pytest.raises(KeyboardInterrupt):
    workdir_lib.write_whole(path, "new")
  assert path.read_text() == "old"


def test_what_is_placed_once_is_on_every_device():
  placed = parallel.replicate({"a": jnp.ones(3), "b": jnp.zeros((2, 2))})
  assert all(x.is_fully_replicated for x in jax.tree.leaves(placed))
  assert len(placed["a"].devices()) == jax.device_count()


CIFAR = pathlib.Path(
    os.environ.get("DMJAX_SHARED", ROOT.parent / "shared")
) / "tfds"


@pytest.mark.skipif(not CIFAR.exists(), reason="CIFAR-100 is not on this machine")
def test_a_tenth_of_cifar100_is_learned_and_resumed(tmp_path, monkeypatch):
  config = recipes.load("cifar100:resnet18,cutmix,dm")
  config.data.update(
      dir=str(CIFAR), train="train[:10%]", test="test[:10%]"
  )
  config.model.update(name="resnet8", widths=(8, 16, 32))
  config.update(total="100 steps", batch_size=48)
  config.checkpoint.every = config.evaluate.every = "100 %"
  config.log.every = "20 steps"
  # With eta 0 the loss is the cross-entropy, which log(100) bounds.
  config.mix.name, config.loss.eta = "mixup", 0.0
  with monkeypatch.context() as patch:
    patch.setattr(loop.signals, "asked_to_stop", stop_at(50))
    assert loop.train(config, tmp_path / "run").step == 50
  assert loop.train(config, tmp_path / "run").finished
  losses = {
      row["step"]: row["train/loss"]
      for row in progress.read_metrics(tmp_path / "run") if "train/loss" in row
  }
  assert losses[100] < 0.97 * np.log(100) < losses[20]

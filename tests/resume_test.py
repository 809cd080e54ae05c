"""Nothing is lost: what a run refuses, what it leaves alone, how it goes on."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import main
from dmjax.commands import exits
from dmjax.train import checkpoint
from dmjax.train import fitting
from dmjax.train import loop
from dmjax.train import progress
from dmjax.train import run as run_lib
from dmjax.train import starting
from dmjax.train import workdir as workdir_lib
from tests import tiny_config
from tests.train_test import assert_same_state
from tests.train_test import damage_newest
from tests.train_test import stop_at
from tests.train_test import terminate_at

ROOT = pathlib.Path(__file__).parents[1]
TINY = str(pathlib.Path(__file__).parent / "tiny_config.py")
pytestmark = pytest.mark.usefixtures("without_pictures")


def tiny(**changes):
  """The configuration of the trained run, with changes."""
  config = tiny_config.get_config()
  config.update(changes)
  return config


@pytest.fixture
def trained(tiny_run):
  return tiny_run[0]


@pytest.fixture
def run(trained, tmp_path):
  """A copy of the trained run, to be harmed."""
  return pathlib.Path(shutil.copytree(trained, tmp_path / "run"))


def files_of(workdir):
  """Names and times of all files below a folder."""
  return {p: p.stat().st_mtime_ns for p in workdir.rglob("*") if p.is_file()}


def test_a_reader_that_does_not_fit_names_the_leaves_and_touches_nothing(run):
  config, before = tiny(), files_of(run)
  config.model.widths = (4, 8, 16)
  with pytest.raises(ValueError, match="does not fit.*ema/0/head/kernel.*more"):
    loop.evaluate(config, run)
  assert files_of(run) == before


def test_the_writer_moves_no_checkpoint_that_can_be_read(run):
  config, before = workdir_lib.read_config(run), checkpoint.steps_of(run)
  config.model.widths = (4, 8, 16)
  (run / "config.json").write_text(config.to_json())
  with pytest.raises(ValueError, match="does not fit this configuration"):
    loop.train(config, run)
  assert checkpoint.steps_of(run) == before and not (run / "damaged").exists()


def test_a_reader_passes_over_what_cannot_be_read_and_moves_nothing(run, caplog):
  damage_newest(run)
  before = files_of(run)
  state = run_lib.load(run)[1]
  assert int(state.step) == 20 and "cannot be read" in caplog.text
  assert files_of(run) == before
  with pytest.raises(ValueError, match="checkpoint .*24 cannot be read"):
    run_lib.load(run, step=24)


def test_a_step_that_is_not_there_names_those_that_are(run):
  with pytest.raises(ValueError, match=r"no checkpoint of step 5; it has \[24, 20"):
    run_lib.load(run, step=5)


def test_the_machines_own_errors_are_no_damage(run, monkeypatch):
  def no_memory(directory):
    raise MemoryError

  monkeypatch.setattr(checkpoint, "_shapes", no_memory)
  with pytest.raises(MemoryError):
    loop.train(tiny(), run)
  assert not (run / "damaged").exists()


def test_leaves_are_compared_by_name_whatever_holds_them():
  like = {"a": (jnp.ones(2), {"b": jnp.ones((3, 1))})}
  found = {"a": [np.ones(2), {"b": np.zeros((3, 1))}]}
  fitting.check("it", found, like)
  arranged = fitting.arranged(found, like)
  assert isinstance(arranged["a"], tuple) and not arranged["a"][1]["b"].any()
  with pytest.raises(ValueError, match="missing: a/1/b; unexpected: c"):
    fitting.check("it", {"a": [np.ones(2)], "c": np.ones(1)}, like)
  many = {str(i): np.ones(1) for i in range(9)}
  with pytest.raises(ValueError, match="missing: 0, 1, 2, 3, 4 and 4 more"):
    fitting.check("it", {}, many)


@pytest.mark.parametrize(
    "key,value",
    (
        ("log.every", "3 steps"), ("evaluate.every", "2 steps"),
        ("checkpoint.keep", 5), ("data.workers", 0), ("total", "36 steps"),
    ),
)
def test_how_a_run_is_watched_may_change_when_it_goes_on(trained, key, value):
  config = tiny()
  config.update_from_flattened_dict({key: value})
  workdir_lib.check(trained, config)


@pytest.mark.parametrize(
    "key,value,said",
    (
        ("seed", 5, "seed was 0, now 5"), ("total", "4 steps", "total was"),
        ("total", "9 epochs", "total was"), ("mix.alpha", 0.5, "mix.alpha was"),
        ("data.train", "train[:100]", "data.train was"),
    ),
)
def test_what_identifies_a_run_may_not(trained, key, value, said):
  config = tiny()
  config.update_from_flattened_dict({key: value})
  with pytest.raises(ValueError, match=said.replace("[", r"\[")):
    workdir_lib.check(trained, config)


def test_not_a_number_is_the_same_as_itself(tmp_path):
  config = tiny()
  config.published.top1 = {"8 steps": float("nan")}
  config.loss.eta = float("nan")
  (tmp_path / "config.json").write_text(config.to_json())
  workdir_lib.check(tmp_path, config)


def test_a_longer_total_goes_on_where_the_run_ended(run):
  result = loop.train(tiny(total="28 steps"), run)
  assert result.finished and result.step == 28
  assert workdir_lib.read_config(run).total == "28 steps"
  steps = [row["step"] for row in progress.read_metrics(run)]
  assert max(steps) == 28 and len(steps) == len(set(map(str, progress.read_metrics(run))))


def test_a_folder_of_other_things_is_refused(tmp_path):
  (tmp_path / "thesis.tex").write_text("")
  with pytest.raises(ValueError, match="is not empty and holds no run of dmjax"):
    loop.train(tiny(), tmp_path)
  assert list(tmp_path.iterdir()) == [tmp_path / "thesis.tex"]


def test_a_damaged_configuration_is_named(run):
  (run / "config.json").write_text('{"seed": 0')
  with pytest.raises(ValueError, match="config.json is damaged"):
    run_lib.load(run)


def test_a_refused_run_leaves_nothing_and_the_corrected_one_trains(tmp_path):
  workdir = tmp_path / "deep" / "run"
  with pytest.raises(ValueError, match="data.crop_padding must be smaller"):
    config = tiny()
    config.data.crop_padding = 8
    loop.train(config, workdir)
  assert not (tmp_path / "deep").exists()
  assert loop.train(tiny(), workdir).finished


def test_gradients_that_are_not_finite_stop_the_run(tmp_path, monkeypatch):
  """Even where the loss is finite; and what is saved is finite."""
  original = run_lib.assemble

  def assemble(config, **options):
    run = original(config, **options)

    def loss(params, state, batch, key):
      total, aux = run.method.loss(params, state, batch, key)
      # Zero, with an infinite slope, in the fourth step.
      steep = lambda head: jnp.sqrt(jnp.sum(0 * head))
      flat = lambda head: jnp.float32(0)
      head = params["head"]["bias"]
      return total + jax.lax.cond(state.step == 3, steep, flat, head), aux

    return run._replace(method=run.method._replace(loss=loss))

  monkeypatch.setattr(run_lib, "assemble", assemble)
  with pytest.raises(progress.Diverged, match="the gradient norm is nan at step 4"):
    loop.train(tiny(), tmp_path / "run")
  assert not checkpoint.steps_of(tmp_path / "run")


def test_parameters_that_are_not_finite_are_not_saved():
  state = {"w": jnp.array([1.0, jnp.inf]), "n": jnp.int32(3)}
  with pytest.raises(progress.Diverged, match="not finite at step 7"):
    loop._check_finite(7, state)
  loop._check_finite(7, state | {"w": jnp.ones(2)})


LONG = [
    f"--config.{key}=4000 steps"
    for key in ("total", "checkpoint.every", "evaluate.every")
]


def start(workdir):
  """The command line in a process, of many steps."""
  command = [
      sys.executable, "-m", "dmjax.main", "train", "--config", TINY,
      "--workdir", str(workdir), *LONG,
  ]
  environment = os.environ | {
      "JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": "4",
      "JAX_DISABLE_MOST_OPTIMIZATIONS": "1", "PYTHONPATH": str(ROOT),
  }
  process = subprocess.Popen(
      command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE,
      stderr=subprocess.STDOUT,
  )
  rows, deadline = workdir / "metrics.jsonl", time.monotonic() + 120
  while time.monotonic() < deadline and process.poll() is None:
    if rows.exists() and rows.stat().st_size:
      break
    time.sleep(0.05)
  return process


def test_control_c_saves_and_says_how_to_go_on(tmp_path, monkeypatch, capsys):
  process = start(tmp_path / "run")
  process.send_signal(signal.SIGINT)
  output, _ = process.communicate(timeout=120)
  assert process.returncode == exits.INTERRUPTED, output
  assert "Ctrl-C again ends at once" in output and "Traceback" not in output
  saved = checkpoint.steps_of(tmp_path / "run")
  assert len(saved) == 1
  assert f"stopped at step {saved[0]}; the same command goes on" in output
  terminate_at(monkeypatch, saved[0] + 1)
  command = ["train", "--config", TINY, "--workdir", str(tmp_path / "run")]
  assert main.main(command + LONG) == exits.PREEMPTED
  assert f"going on from step {saved[0]} of 4000" in capsys.readouterr().err


def borrowing(workdir):
  config = tiny()
  config.mix = {"name": "automix", "workdir": str(workdir), "alpha": 1.0}
  return config


def test_a_borrowed_mix_block_stays_what_it_was(
    tiny_automix_run, tmp_path, monkeypatch
):
  other = pathlib.Path(shutil.copytree(tiny_automix_run[0], tmp_path / "other"))
  later = pathlib.Path(shutil.move(other / "checkpoints" / "24", tmp_path))
  whole, parts = tmp_path / "whole", tmp_path / "parts"
  loop.train(borrowing(other), whole)
  with monkeypatch.context() as patch:
    patch.setattr(loop.signals, "asked_to_stop", stop_at(4))
    assert loop.train(borrowing(other), parts).step == 4
  # The other run goes on; this one resumes with what it began with.
  shutil.move(later, other / "checkpoints")
  assert checkpoint.steps_of(other)[0] == 24
  assert loop.train(borrowing(other), parts).finished
  assert_same_state(whole, parts)
  # Not even the other run is needed.
  shutil.rmtree(other)
  assert loop.train(borrowing(other), parts).finished
  record = json.loads((parts / "borrowed.json").read_text())
  assert record[str(other)]["step"] == 20
  (parts / "borrowed" / "0" / "data.json").write_text("{}")
  with pytest.raises(ValueError, match="the copy of .* was changed"):
    loop.train(borrowing(other), parts)


def test_another_run_is_a_start(trained, tmp_path):
  run, state = run_lib.load(trained)
  config = tiny(init_from=str(trained))
  fresh = run_lib.assemble(config)
  first = loop.first_state(fresh, 0, starting.first_variables(fresh))
  expected = run.method.variables(state)
  np.testing.assert_array_equal(
      first.params["head"]["kernel"], expected["params"]["head"]["kernel"]
  )
  assert int(first.step) == 0
  assert loop.train(config, tmp_path / "run").finished


def test_a_start_of_another_network_is_refused(trained, tmp_path):
  config = tiny(init_from=str(trained))
  config.model.widths = (4, 8, 16)
  with pytest.raises(ValueError, match="init_from=.*does not fit"):
    loop.train(config, tmp_path / "run")
  assert not (tmp_path / "run").exists()


def test_a_start_that_is_not_there_is_refused(tmp_path, capsys):
  command = ["train", "--config", TINY, "--workdir", str(tmp_path / "run"),
             "--config.init_from=/nowhere"]
  assert main.main(command) == exits.BAD_INPUT
  assert "init_from must be the workdir of a run, got '/nowhere'" in capsys.readouterr().err

"""Two processes of two devices each, which train as one of four does."""

import os
import pathlib
import subprocess
import sys

import jax
import numpy as np
import pytest

from dmjax.train import run as run_lib
from tests import semi_runs_test
from tests.train_test import params_of

ROOT = pathlib.Path(__file__).parents[1]
AGAIN = "and now once more"
# A run; the same again, where one process alone cannot read the checkpoint of
# step 24; and what every device holds after two steps with a memory.
PROGRAM = f"""
import pathlib, sys, jax, numpy as np
from dmjax import main
from dmjax.train import checkpoint, run
from tests import semi_runs_test

arguments = sys.argv[1:]
assert main.main(arguments) == 0
print("{AGAIN}")
read, index = checkpoint._contents, jax.process_index()
def contents(directory, *rest):
  if index == 1 and directory.name == "24":
    raise OSError("the disk of one host")
  return read(directory, *rest)
checkpoint._contents = contents
alone = arguments[:arguments.index("--distributed")]
assert main.main(alone) == 0
state = semi_runs_test.after_two_steps(run.assemble(semi_runs_test.semi()))
leaves = jax.tree.leaves(semi_runs_test.carried(state))
folder = pathlib.Path(alone[-1]).parent
for device in range(jax.local_device_count()):
  held = [np.asarray(leaf.addressable_shards[device].data) for leaf in leaves]
  np.savez(folder / f"{{index}}-{{device}}.npz", *held)
"""


def start(workdir, port, index):
  command = [
      sys.executable, "-c", PROGRAM, "train",
      "--config", str(ROOT / "tests" / "tiny_config.py"),
      "--workdir", str(workdir), "--distributed",
      "--coordinator", f"localhost:{port}", "--num_processes", "2",
      "--process_id", str(index),
  ]
  env = os.environ | {
      "JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": "2",
      "JAX_DISABLE_MOST_OPTIMIZATIONS": "1", "PYTHONUNBUFFERED": "1",
      "PYTHONPATH": str(ROOT),
  }
  return subprocess.Popen(
      command, cwd=ROOT, env=env, text=True, stdout=subprocess.PIPE,
      stderr=subprocess.STDOUT,
  )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
  """The workdir of the two, and what each printed the first and second time."""
  workdir = tmp_path_factory.mktemp("processes") / "two"
  port = 20000 + os.getpid() % 20000
  processes = [start(workdir, port, index) for index in range(2)]
  outputs = [process.communicate(timeout=400)[0] for process in processes]
  assert [p.returncode for p in processes] == [0, 0], "\n".join(outputs)
  return workdir, [output.split(AGAIN) for output in outputs]


def assert_almost_the_same(found, expected):
  for a, b in zip(found, expected, strict=True):
    np.testing.assert_allclose(a, b, atol=1e-4)


def test_two_processes_train_as_one_with_as_many_devices(trained, tiny_run):
  workdir, (first, second) = trained
  assert "clean top-1" in first[0] and "clean top-1" not in "".join(second)
  # The other reading has moved it, and harmed nothing.
  assert_almost_the_same(
      params_of(workdir, "damaged"), params_of(tiny_run[0])
  )


def test_damage_that_one_process_meets_makes_both_go_on_from_the_one_before(
    trained, tiny_run
):
  workdir, ((_, output), _) = trained
  assert "cannot be read (by another process)" in output
  assert "going on from step 20 of 24" in output
  assert_almost_the_same(params_of(workdir), params_of(tiny_run[0]))


def test_two_processes_have_the_same_memory(trained):
  files = trained[0].parent.glob("*.npz")
  held = [list(np.load(file).values()) for file in files]
  assert len(held) == 4
  for other in held[1:]:
    for a, b in zip(held[0], other, strict=True):
      np.testing.assert_array_equal(a, b)
  # Which is that of one process with as many devices.
  run = run_lib.assemble(semi_runs_test.semi())
  state = semi_runs_test.after_two_steps(run)
  assert (state.extra["selected"] >= 0).any()
  assert_almost_the_same(
      held[0], jax.tree.leaves(semi_runs_test.carried(state))
  )

"""What a run would do, without doing it."""

from collections.abc import Mapping
import pathlib
from typing import Any

import jax
import numpy as np

from dmjax.train import checkpoint
from dmjax.train import run as run_lib
from dmjax.train import step as step_lib
from dmjax.train import trials
from dmjax.train import workdir as workdir_lib


def facts(config: Any, workdir: pathlib.Path) -> Mapping[str, str]:
  """Facts about a run, after every check that does not read all of the data.

  Args:
    config: The configuration.
    workdir: Of the run; nothing is written.

  Returns:
    What to say, by what it is about.

  Raises:
    ValueError: For whatever is wrong with the configuration.
  """
  config = workdir_lib.with_absolute_paths(config)
  workdir_lib.check(workdir, config)
  run = run_lib.assemble(config, workdir=workdir)
  trials.check_network(run)
  state = step_lib.shapes_of_state(run.method, run.optimizer, run.example)
  done = (checkpoint.steps_of(workdir) or [0])[0]
  sizes = [f"{split} {source.size:,}" for split, source in run.sources.items()]
  return {
      "examples": ", ".join(sizes),
      "classes": str(run.sources["train"].num_classes),
      "input": "x".join(map(str, run.example["x"].shape[1:])),
      "parameters": f"{_count(state.params):,}",
      "state": f"{_bytes(state) / 2**20:,.1f} MiB, on every device",
      "steps": f"{run.times.total:,}, {run.times.epoch:,} an epoch",
      "steps done": f"{done:,}",
      "evaluations": f"every {run.times.evaluate:,} steps",
      "checkpoints": f"every {run.times.checkpoint:,} steps",
      "extra cost": run.method.note or "none",
      "devices": f"{jax.device_count()} x {jax.devices()[0].device_kind}",
  }


def _count(tree):
  return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(tree))


def _bytes(tree):
  return sum(
      int(np.prod(leaf.shape)) * leaf.dtype.itemsize
      for leaf in jax.tree.leaves(tree)
  )

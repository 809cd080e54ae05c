"""Times of compiled programs that take turns, and on what they are measured."""

from collections.abc import Callable, Hashable, Mapping
import os
import pathlib
import platform
import random
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tqdm

from dmjax import parallel
from dmjax.data import base
from dmjax.train import loop
from dmjax.train import run as run_lib
from dmjax.train import step as step_lib

CLASSES = 100


def in_turns(
    programs: Mapping[Hashable, Callable[[jax.Array], Any]], repeats: int
) -> dict[Hashable, np.ndarray]:
  """Runs every program once a round, in an order drawn anew for every round.

  In a fixed order the times of one depend on which comes before it.

  Args:
    programs: Functions of a random key, by name; what they give is waited for.
    repeats: Rounds that count, after one that does not.

  Returns:
    Seconds of every run, `[repeats]`, by name.
  """
  seconds = {name: [] for name in programs}
  order, rng = list(programs), random.Random(0)
  for repeat in tqdm.trange(repeats + 1, desc="measuring", leave=False):
    key = jax.block_until_ready(jax.random.key(repeat))
    rng.shuffle(order)
    for name in order:
      start = time.perf_counter()
      jax.block_until_ready(programs[name](key))
      seconds[name].append(time.perf_counter() - start)
  return {name: np.asarray(values[1:]) for name, values in seconds.items()}


def run_without_data(config: Any, pixels: int) -> run_lib.Run:
  """The run of a configuration, for square images that are not there.

  Args:
    config: The configuration.
    pixels: Side of the images, which have three channels.

  Returns:
    The run, for `CLASSES` classes.
  """
  image = np.zeros((pixels, pixels, 3), np.uint8)
  source = base.Source(
      lambda index: {"x": image, "label": index % CLASSES},
      config.batch_size, tuple(map(str, range(CLASSES))),
  )
  return run_lib.assemble(config, train=source, test=source)


def step_program(run: run_lib.Run) -> tuple[Callable[[jax.Array], Any], Any]:
  """Compiles a whole step of training, without the pipeline, for one device.

  Args:
    run: The run; its batch is noise.

  Returns:
    The program, `key -> metrics`, which goes on from its last state and draws
    nothing from the key; and what the compiler gave.
  """
  size = run.config.batch_size
  images = jax.random.uniform(
      jax.random.key(0), (1, 1, size, *run.example["x"].shape[1:])
  )
  batches = {"x": images, "label": jnp.arange(size)[None, None] % CLASSES}
  shared = {"data": (), "seed": np.uint32(0)}
  states = [loop.first_state(run, 0)]
  compiled = _on_one_device(run).lower(states[0], batches, shared).compile()

  def program(key):
    del key
    states[0], metrics = compiled(states[0], batches, shared)
    return metrics

  return program, compiled


def _on_one_device(run):
  # Whatever there is: batches and mixers that the step is compared with are on
  # one.
  step = step_lib.make_train_step(
      run.method, run.optimizer, lambda key, batch, shared: batch,
      schedule=run.schedule,
  )
  return parallel.pmap(step, donate=True, devices=jax.devices()[:1])


def hardware() -> str:
  """The device in words."""
  device = jax.devices()[0]
  if device.platform != "cpu":
    return f"one {device.device_kind}"
  info = pathlib.Path("/proc/cpuinfo")
  lines = info.read_text().splitlines() if info.exists() else []
  kinds = [l.split(":")[1] for l in lines if l.startswith("model name")]
  kind = kinds[0].strip() if kinds else platform.processor()
  return f"{os.cpu_count()} cores of a CPU ({kind})"

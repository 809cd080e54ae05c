"""What a run has learned about mixing, for use in any other."""

from collections.abc import Callable
import functools
import pathlib
from typing import Any

import jax

from dmjax import mixers
from dmjax.data import pipelines
from dmjax.methods import learned as learned_lib
from dmjax.train import loop
from dmjax.train import workdir as workdir_lib


@functools.cache  # A run asks for its mixer in several places.
def load(workdir: pathlib.Path) -> Callable[..., mixers.Mixed]:
  """The Mix Block of the newest checkpoint of a run, as a mixer.

  Args:
    workdir: Of a run of method `automix`.

  Returns:
    The mixer, see `methods.learned.as_mixer`.

  Raises:
    ValueError: For a workdir without such a run, or without a checkpoint.
  """
  return learned_lib.as_mixer(restore(workdir)[2])


def restore(
    workdir: pathlib.Path,
) -> tuple[Any, pipelines.Pipeline, learned_lib.Learned]:
  """Configuration and test split of a run, and what it has learned.

  Args:
    workdir: Of a run of method `automix`.

  Returns:
    The three.

  Raises:
    ValueError: For a workdir without such a run, or without a checkpoint.
  """
  config = workdir_lib.read_config(workdir)
  data = pipelines.open_pipeline(config.data, "test")
  method, state = loop.restore(config, workdir, data)
  if method.learned is None:
    raise ValueError(
        f"--workdir: {str(workdir)!r} is a run of method"
        f" {config.method.name!r}, which does not learn to mix"
    )
  return config, data, method.learned(jax.device_get(state))

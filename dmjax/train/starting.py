"""What a network starts from, where that is a file or another run."""

from typing import Any

import jax

from dmjax import models
from dmjax import randomness
from dmjax.train import fitting
from dmjax.train import run as run_lib


def first_variables(run: run_lib.Run) -> Any:
  """What the network starts from, if the configuration names it.

  Args:
    run: The run. `config.pretrained` is a file, `config.init_from` the workdir
      of another run. A head of another size than theirs is initialised anew.

  Returns:
    The variables; None where all of them are initialised.

  Raises:
    ValueError: For a file or a run that does not fit the network.
  """
  config, network, x = run.config, run.method.network, run.example["x"]
  key = randomness.for_purpose(jax.random.key(config.seed), "head")
  if config.init_from:
    other, state = run_lib.load(config.init_from)
    variables = jax.device_get(other.method.variables(state))
    return _with_head_of(variables, network, key, x, config.init_from)
  if not config.pretrained:
    return None
  shapes = jax.eval_shape(network.init, key, x)
  name = config.model.name
  # All of them: a file alone would be taken to have the stem of ImageNet.
  options = models.options_of(name) | dict(config.model)
  del options["name"], options["dtype"]  # Parameters are float32 in any case.
  try:
    return models.load_pretrained(
        name, config.pretrained,
        num_classes=shapes["params"]["head"]["bias"].size,
        image_size=x.shape[1], channels=x.shape[-1], key=key, **options,
    )[1]
  except ValueError as error:
    what = str(error).removeprefix(f"path={config.pretrained!r} ")
    raise ValueError(f"pretrained={config.pretrained!r}: {what}") from None


def _with_head_of(variables, network, key, x, name):
  """The variables, with a new head where theirs is of another size."""
  shapes = jax.eval_shape(network.init, key, x)
  bias = variables["params"]["head"]["bias"].shape
  if bias != shapes["params"]["head"]["bias"].shape:
    head = jax.jit(lambda key: network.init(key, x)["params"]["head"])(key)
    variables["params"]["head"] = head
  fitting.check(f"init_from={name!r}", variables, shapes)
  return variables

"""Networks that guide the mixers of another run."""

import pathlib
from typing import Any

import jax

from dmjax import methods
from dmjax import models
from dmjax.methods import guidance

# Of files in timm's layout: side of the images, and their normalisation.
_IMAGE_SIZE = 224
_PIXELS = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


def of_file(path: pathlib.Path) -> guidance.Teacher:
  """A network with parameters that were trained on ImageNet.

  Args:
    path: A `.safetensors` file in timm's layout, named after its network, as
      `resnet50.safetensors`.

  Returns:
    The teacher.

  Raises:
    ValueError: For a file that is not there, or whose name or content is not
      that of a network.
  """
  if path.stem not in models.MODELS:
    raise ValueError(
        f"method.teacher={str(path)!r} must be named after its network, as"
        f" resnet50.safetensors; networks are {', '.join(sorted(models.MODELS))}"
    )
  try:
    module, variables = models.load_pretrained(path.stem, path)
  except ValueError as error:
    raise ValueError(f"method.teacher: {error}") from None
  return guidance.Teacher(
      models.of_linen(module, **_PIXELS), variables, _IMAGE_SIZE,
      module.num_classes,
  )


def of_run(run: Any, state: methods.TrainState) -> guidance.Teacher:
  """The network of a trained run, as it is evaluated.

  Args:
    run: The run.
    state: Its state.

  Returns:
    The teacher.
  """
  data, network = run.config.data, run.method.network
  variables = jax.device_get(run.method.variables(state))
  side = data.test_image_size or data.image_size or run.example["x"].shape[1]
  logits = jax.eval_shape(network.predict, variables, run.example["x"])
  return guidance.Teacher(network, variables, side, logits.shape[-1])

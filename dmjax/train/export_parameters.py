"""The parameters of a run by timm's names, in a `.safetensors` file."""

import json
import pathlib
from typing import Any

import jax
import numpy as np
from safetensors import numpy as safetensors

from dmjax import methods
from dmjax import models
from dmjax.models import layouts
from dmjax.train import fitting
from dmjax.train.run import Run

ENDINGS, BESIDE = (".safetensors",), ()


def check(config: Any, workdir: pathlib.Path, batch: int | None) -> None:
  """Raises ValueError for a network that timm has no names for, and a batch."""
  del workdir
  if batch is not None:
    raise ValueError(
        f"--batch={batch} is for --to stablehlo; parameters have no batch"
    )
  if not layouts.has_layout(_module(config.model, 1)):
    known = [
        name for name in models.MODELS
        if layouts.has_layout(models.create(name, num_classes=1))
    ]
    raise ValueError(
        f"--to safetensors: timm has no names for model {config.model.name!r},"
        f" only for {', '.join(known)}; --to stablehlo takes any network"
    )


def make(
    run: Run, state: methods.TrainState, path: pathlib.Path, batch: int | None
) -> tuple[dict[pathlib.Path, bytes], list[str]]:
  """A file that `models.load_pretrained` and `config.pretrained` read.

  Its metadata hold what the parameters do not: the network, the names of the
  classes, and the normalisation of the images, each as JSON.

  Args:
    run: A trained run.
    state: Its state.
    path: Of the file.
    batch: None.

  Returns:
    The content of the file, and how to load it.
  """
  del batch
  module = _module(run.config.model, run.sources["test"].num_classes)
  mean, std = _normalisation(run)
  facts = {
      "network": run.config.model.name, "mean": mean, "std": std,
      "class_names": run.sources["test"].class_names,
  }
  tensors = models.state_dict(module, classifier(run, state, module))
  content = safetensors.save(
      {name: np.ascontiguousarray(leaf) for name, leaf in tensors.items()},
      # Others look for the format there.
      {"format": "pt"} | {key: json.dumps(fact) for key, fact in facts.items()},
  )
  given = "".join(f", {k}={v!r}" for k, v in _arguments(run, module).items())
  return {path: content}, [
      "from dmjax import models",
      "model, variables = models.load_pretrained("
      f"{run.config.model.name!r}, {str(path)!r}{given})",
      f"# Its inputs are normalised: mean {mean}, std {std}.",
  ]


def classifier(
    run: Run, state: methods.TrainState, module: Any
) -> dict[str, Any]:
  """The variables that `predict` uses, on the host.

  Some methods train further outputs behind those of the classes. Predictions
  are the first ones, so of the head only these are kept.

  Args:
    run: A trained run.
    state: Its state.
    module: Of the network, with an output for each class.

  Returns:
    Variables of the module.

  Raises:
    ValueError: For a method whose network has other variables.
  """
  variables = jax.device_get(run.method.variables(state))
  params = variables["params"]
  head = {
      name: leaf[..., : module.num_classes]
      for name, leaf in params["head"].items()
  }
  variables = variables | {"params": params | {"head": head}}
  shapes = jax.eval_shape(
      lambda key: module.init(key, run.example["x"], train=False),
      jax.random.key(0),
  )
  fitting.check("the network of the run", variables, shapes)
  return variables


def _module(section, num_classes):
  """The network of a section `model`, whose parameters are float32 anyway."""
  options = {k: v for k, v in section.items() if k not in ("name", "dtype")}
  return models.create(section.name, num_classes=num_classes, **options)


def _normalisation(run):
  source = run.sources["test"]
  data = run.config.data if source.mean is None else source
  return tuple(data.mean), tuple(data.std)


def _arguments(run, module):
  """What `load_pretrained` has to be told, where its defaults are others."""
  _, side, _, channels = run.example["x"].shape
  arguments = {"image_size": side, "channels": channels}
  usual = {"image_size": 224, "channels": 3, "stem": "imagenet"}
  defaults = models.options_of(run.config.model.name)
  arguments |= {
      k: getattr(module, k) for k in defaults if k not in ("dtype", "axis_name")
  }
  return {
      k: v for k, v in arguments.items() if v != (defaults | usual).get(k)
  }

"""From a configuration to what is trained: method, model, first parameters."""

from collections.abc import Callable, Mapping
import functools
import pathlib
from typing import Any

import jax
import jax.numpy as jnp

from dmjax import losses
from dmjax import methods
from dmjax import mixers
from dmjax import models
from dmjax import names
from dmjax import parallel
from dmjax.data import pipelines
from dmjax.methods import guidance
from dmjax.methods import learned as learned_lib
from dmjax.train import checkpoint
from dmjax.train import optimizer as optimizer_lib
from dmjax.train import step as step_lib
from dmjax.train import workdir as workdir_lib

LOSSES = {
    loss.__name__: loss
    for loss in (
        losses.decoupled_cross_entropy,
        losses.mixup_binary_cross_entropy,
        losses.mixup_cross_entropy,
    )
}

MASK_LOSSES = {
    loss.__name__: loss
    for loss in (losses.mask_l1, losses.mask_l2, losses.mask_sparsity)
}


def make_mixer(spec: Mapping[str, Any]):
  """The mixer of a `mix` section.

  Args:
    spec: `name` and options. `choose` and `sometimes` hold specs themselves:
      `{"name": "choose", "mixers": (spec, spec), "probs": (.5, .5)}` and
      `{"name": "sometimes", "mixer": spec, "p": .5}`. `automix` names the run
      whose Mix Block it takes, `{"name": "automix", "workdir": "runs/a"}`.

  Returns:
    `mixer(key, x) -> Mixed`.

  Raises:
    ValueError: For unknown mixers and options, and options out of range.
  """
  spec = dict(spec)
  if spec["name"] == "automix":
    return _learned_mixer(spec)
  if "mixers" in spec:
    spec["mixers"] = tuple(make_mixer(part) for part in spec["mixers"])
  if "mixer" in spec:
    spec["mixer"] = make_mixer(spec["mixer"])
  combinators = {"choose": mixers.choose, "sometimes": mixers.sometimes}
  return names.configure("mixer", mixers.MIXERS | combinators, spec)


def _learned_mixer(spec):
  if not spec.get("workdir"):
    raise ValueError(
        "mixer 'automix' needs the workdir of a run of method 'automix', such as"
        " {'name': 'automix', 'workdir': 'runs/a'}"
    )
  mixer = learned_mixer(pathlib.Path(spec.pop("workdir")))
  options = names.configure("mixer", {"automix": mixers.automix}, spec).keywords
  return functools.partial(mixer, **options)


def make_loss(spec: Mapping[str, Any]):
  """The loss of a `loss` section: `loss(logits, labels, weights) -> [B]`."""
  return names.configure("loss", LOSSES, spec)


def make_mask_loss(spec: Mapping[str, Any]):
  """The loss of a `mask_loss` section: `loss(mask, lam) -> [B]`."""
  return names.configure("mask loss", MASK_LOSSES, spec)


# Outputs of the model for every class.
_HEADS = {"supervised": 1, "automix": 2}


def make_method(
    config: Any, num_classes: int, total_steps: int = 1
) -> methods.Method:
  """The method of a configuration, with its model, mixer and loss.

  Args:
    config: The configuration.
    num_classes: Of the data.
    total_steps: Length of training; evaluation has no need of it.

  Returns:
    The method.
  """
  table = {"supervised": _supervised, "automix": _automix}
  make = names.lookup("method", config.method.name, table)
  return make(config, num_classes, total_steps)


def _supervised(config, num_classes, total_steps):
  del total_steps
  return methods.supervised(
      _model(config, num_classes), make_mixer(config.mix),
      make_loss(config.loss), ema_decay=config.ema_decay,
      saliency=config.saliency, mean=config.data.mean, std=config.data.std,
  )


def _automix(config, num_classes, total_steps):
  if config.ema_decay:
    raise ValueError(
        "ema_decay must be 0 for method 'automix', whose teacher is an average"
        f" of its own, got {config.ema_decay}"
    )
  mixer = make_mixer(config.mix)
  if guidance.asked(mixer) != (frozenset(), frozenset(), False):
    raise ValueError(
        "mix must be a mixer without guidance for method 'automix', such as"
        f" 'mixup', got {config.mix.name!r}"
    )
  spec = {k: v for k, v in config.method.items() if k != "groups"}
  block = dict(spec.pop("mix_block"))
  block = models.create_mix_block(
      block.pop("name"), axis_name=parallel.AXIS, **block
  )
  spec["mask_loss"] = make_mask_loss(spec["mask_loss"])
  build = names.configure("method", {"automix": methods.automix}, spec)
  return build(
      _model(config, num_classes), block, mixer,
      make_loss(config.loss), total_steps=total_steps,
  )


def _model(config, num_classes):
  options = dict(config.model)
  options["dtype"] = jnp.dtype(options["dtype"])
  return models.create(
      options.pop("name"), axis_name=parallel.AXIS,
      num_classes=_HEADS[config.method.name] * num_classes, **options,
  )


def pretrained(config: Any, data: pipelines.Pipeline) -> Any:
  """Variables of the model from the file `config.pretrained`, None without.

  Args:
    config: The configuration.
    data: What the model will see; a head of another size is initialised anew.

  Returns:
    The variables.

  Raises:
    ValueError: For a file that does not fit the model.
  """
  if not config.pretrained:
    return None
  options = dict(config.model)
  del options["dtype"]  # Parameters are float32 in any case.
  return models.load_pretrained(
      options.pop("name"), config.pretrained,
      num_classes=_HEADS[config.method.name] * data.num_classes,
      image_size=data.image_shape[0], key=jax.random.key(config.seed),
      **options,
  )[1]


def restore(
    config: Any, workdir: pathlib.Path, data: pipelines.Pipeline
) -> tuple[methods.Method, methods.TrainState]:
  """The method of a run and the state of its newest checkpoint.

  Args:
    config: The configuration of the run.
    workdir: Of the run.
    data: Either of its splits.

  Returns:
    Method and state.

  Raises:
    ValueError: Where the run has no checkpoint.
  """
  method = make_method(config, data.num_classes)
  example = {"image": jnp.zeros((1, *data.image_shape))}
  # Using a state needs no optimizer, but the checkpoint to be restored has one.
  optimizer, _ = optimizer_lib.of_run(
      config, warmup_steps=0, total_steps=1, steps_per_epoch=1
  )
  state = step_lib.create_state(method, optimizer, jax.random.key(0), example)
  manager = checkpoint.open_manager(workdir, keep=config.checkpoint.keep)
  restored = checkpoint.restore(manager, parallel.replicate(state))
  if restored is None:
    raise ValueError(f"workdir {str(workdir)!r} has no checkpoint yet")
  return method, restored[0]


@functools.cache  # A run asks for its mixer in several places.
def learned_mixer(workdir: pathlib.Path) -> Callable[..., mixers.Mixed]:
  """The Mix Block of the newest checkpoint of a run, as a mixer.

  Args:
    workdir: Of a run of method `automix`.

  Returns:
    The mixer, see `methods.learned.as_mixer`.

  Raises:
    ValueError: For a workdir without such a run, or without a checkpoint.
  """
  return learned_lib.as_mixer(restore_learned(workdir)[2])


def restore_learned(
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
  method, state = restore(config, workdir, data)
  if method.learned is None:
    raise ValueError(
        f"--workdir: {str(workdir)!r} is a run of method"
        f" {config.method.name!r}, which does not learn to mix"
    )
  return config, data, method.learned(jax.device_get(state))

"""Optimizers and learning-rate schedules, from the configuration to optax."""

from collections.abc import Mapping
import inspect
from typing import Any

import jax
import jax.numpy as jnp
import optax

from dmjax import names
from dmjax.train import durations


def _sgd(lr, weight_decay, mask, **options):
  # As in PyTorch: the decay joins the gradient before momentum.
  decay = optax.add_decayed_weights(weight_decay, mask)
  return optax.chain(decay, optax.sgd(lr, **options))


def _adamw(lr, weight_decay, mask, **options):
  return optax.adamw(lr, weight_decay=weight_decay, mask=mask, **options)


def _lamb(lr, weight_decay, mask, **options):
  return optax.lamb(lr, weight_decay=weight_decay, mask=mask, **options)


OPTIMIZERS = {"adamw": _adamw, "lamb": _lamb, "sgd": _sgd}


def options_of(name: str) -> dict[str, Any]:
  """The options of an optimizer with their defaults.

  Args:
    name: A key of `OPTIMIZERS`.

  Returns:
    Those of the function of optax, and those of every optimizer here.

  Raises:
    ValueError: For an unknown name.
  """
  names.lookup("optimizer", name, OPTIMIZERS)
  options = inspect.signature(getattr(optax, name)).parameters.values()
  given = ("learning_rate", "mask")
  ours = {"lr": 0.1, "weight_decay": 0.0, "decay_all": True, "clip_norm": 0.0}
  return {p.name: p.default for p in options if p.name not in given} | ours


def _constant(lr, total, end):
  del total, end
  return optax.constant_schedule(lr)


def _cosine(lr, total, end):
  return optax.cosine_decay_schedule(lr, max(total, 1), alpha=end / lr)


SCHEDULES = {"constant": _constant, "cosine": _cosine}


# Tables of transformers that have more than one axis and yet no inputs.
_NOT_DECAYED = ("cls_token", "pos_embed", "relative_position_bias_table")


def decay_mask(params: Any) -> Any:
  """True for kernels, false for vectors and for tables of positions."""

  def decayed(path, leaf):
    return leaf.ndim > 1 and path[-1].key not in _NOT_DECAYED

  return jax.tree_util.tree_map_with_path(decayed, params)


def make_schedule(
    config: Mapping[str, Any],
    *,
    lr: float,
    warmup_steps: int,
    total_steps: int,
    steps_per_epoch: int,
) -> optax.Schedule:
  """Linear warm-up from `warmup_lr`, then the named decay to `end_lr`.

  Args:
    config: `name`, `warmup_lr`, `end_lr` and `per_epoch`, which holds the rate
      constant within an epoch, as the published CIFAR recipes do.
    lr: The peak.
    warmup_steps: Length of the warm-up.
    total_steps: Length of training, warm-up included.
    steps_per_epoch: Steps of one epoch.

  Returns:
    The schedule, `step -> learning rate`.
  """
  decay = names.lookup("schedule", config["name"], SCHEDULES)
  schedule = decay(lr, total_steps - warmup_steps, config["end_lr"])
  if warmup_steps:
    warmup = optax.linear_schedule(config["warmup_lr"], lr, warmup_steps)
    schedule = optax.join_schedules([warmup, schedule], [warmup_steps])
  if not config["per_epoch"]:
    return schedule
  return lambda step: schedule(step - jnp.mod(step, steps_per_epoch))


def make_optimizer(
    config: Mapping[str, Any],
    schedule: optax.Schedule,
    groups: Mapping[str, optax.GradientTransformation] | None = None,
) -> optax.GradientTransformation:
  """The optimizer of a configuration.

  Args:
    config: `name`, `weight_decay`, `decay_all` (norms and biases too),
      `clip_norm` (0 for none), and options of the optax optimizer itself.
    schedule: The learning rate.
    groups: Other optimizers for some of the top-level keys of the parameters.
      The norm that is clipped is that of all gradients together.

  Returns:
    The gradient transformation.

  Raises:
    ValueError: For an unknown optimizer or an option it does not have.
  """
  options = {k: v for k, v in config.items() if k != "lr"}
  make = names.lookup("optimizer", options.pop("name"), OPTIMIZERS)
  clip_norm = options.pop("clip_norm")
  mask = None if options.pop("decay_all") else decay_mask
  try:
    optimizer = make(schedule, options.pop("weight_decay"), mask, **options)
  except TypeError as error:
    raise ValueError(f"optimizer {config['name']!r}: {error}") from None
  if groups:
    optimizer = _partition(optimizer, groups)
  if not clip_norm:
    return optimizer
  return optax.chain(optax.clip_by_global_norm(clip_norm), optimizer)


def _partition(rest, groups):
  def group_of(params):
    return {key: key if key in groups else "" for key in params}

  return optax.partition({"": rest, **groups}, group_of)


def of_run(
    config: Any, times: durations.Durations
) -> tuple[optax.GradientTransformation, optax.Schedule]:
  """The optimizer of a whole configuration, and its learning rate.

  `method.groups` holds, by top-level key of the parameters, what differs from
  the sections `optimizer` and `schedule`, such as `{"lr": .1, "end_lr": .01}`.

  Args:
    config: The configuration.
    times: Its durations in steps.

  Returns:
    The gradient transformation and the schedule.
  """

  def sections(changes):
    both = dict(config.optimizer), dict(config.schedule)
    for key, value in changes.items():
      section = both[1] if key in config.schedule and key != "name" else both[0]
      section[key] = value
    schedule = make_schedule(
        both[1], lr=both[0]["lr"], warmup_steps=times.warmup,
        total_steps=times.total, steps_per_epoch=times.epoch,
    )
    return both[0], schedule

  groups = {}
  for key, changes in config.method.get("groups", {}).items():
    options, schedule = sections(changes)
    groups[key] = make_optimizer(options | {"clip_norm": 0.0}, schedule)
  options, schedule = sections({})
  return make_optimizer(options, schedule, groups), schedule

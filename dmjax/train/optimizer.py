"""Optimizers and learning-rate schedules, from the configuration to optax."""

from collections.abc import Mapping
import inspect
from typing import Any

import jax
import jax.numpy as jnp
import optax

from dmjax import names
from dmjax.train import durations
from dmjax.train import layer_decay


def sgd(lr, weight_decay, mask, **options):
  """Momentum, the decay joined to the gradient before it, as in PyTorch."""
  decay = optax.add_decayed_weights(weight_decay, mask)
  return optax.chain(decay, optax.sgd(lr, **options))


def adam(lr, weight_decay, mask, **options):
  """Adam, the decay joined to the gradient before it, as in PyTorch."""
  decay = optax.add_decayed_weights(weight_decay, mask)
  return optax.chain(decay, optax.adam(lr, **options))


def adamw(lr, weight_decay, mask, **options):
  """Adam with decoupled weight decay (arXiv 1711.05101)."""
  return optax.adamw(lr, weight_decay=weight_decay, mask=mask, **options)


def lamb(
    lr, weight_decay, mask, *, b1=0.9, b2=0.999, eps=1e-6, max_grad_norm=1.0
):
  """LAMB (arXiv 1904.00962) as RSB trains with it (arXiv 2110.00476).

  Parameters without weight decay keep a trust ratio of 1. With a ratio of their
  own, last norms that start at zero would stay there, and with them their
  residual branches. The global norm of the gradients is clipped first.
  """
  trust = optax.scale_by_trust_ratio()
  return optax.chain(
      optax.clip_by_global_norm(max_grad_norm),
      optax.scale_by_adam(b1, b2, eps),
      optax.add_decayed_weights(weight_decay, mask),
      trust if mask is None else optax.masked(trust, mask),
      optax.scale_by_learning_rate(lr),
  )


OPTIMIZERS = {"adam": adam, "adamw": adamw, "lamb": lamb, "sgd": sgd}

# Whose keywords are the options of each.
_SIGNATURES = {
    "adam": optax.adam, "adamw": optax.adamw, "lamb": lamb, "sgd": optax.sgd,
}
_OURS = {
    "lr": 0.1, "weight_decay": 0.0, "decay_all": True, "clip_norm": 0.0,
    "layer_decay": 1.0,
}


def options_of(name: str) -> dict[str, Any]:
  """The options of an optimizer with their defaults.

  Args:
    name: A key of `OPTIMIZERS`.

  Returns:
    Those of its function, and those that every optimizer has here.

  Raises:
    ValueError: For an unknown name.
  """
  function = names.lookup("optimizer", name, _SIGNATURES)
  options = inspect.signature(function).parameters.values()
  given = ("learning_rate", "lr", "mask", "weight_decay")
  return {p.name: p.default for p in options if p.name not in given} | _OURS


def _constant(lr, total, end):
  del total, end
  return optax.constant_schedule(lr)


def _cosine(lr, total, end):
  return optax.cosine_decay_schedule(lr, max(total, 1), alpha=end / lr)


def _seven_sixteenths(lr, total, end):
  """`lr cos(7 pi t / 16 T)`, of FixMatch (arXiv 2001.07685); ends at 0.195 lr."""
  del end
  return lambda step: lr * jnp.cos(7 * jnp.pi * step / (16 * total))


def _two_drops(lr, total, end):
  """To a tenth after 3/8 of the training, and again after 3/4 of it."""
  del end
  drops = {3 * total // 8: 0.1, 3 * total // 4: 0.1}
  return optax.piecewise_constant_schedule(lr, drops)


SCHEDULES = {
    "constant": _constant,
    "cosine": _cosine,
    "cosine_7_16": _seven_sixteenths,
    "two_drops": _two_drops,
}


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
  """A linear warm-up times the named decay to `end_lr`.

      lr_t = decay(t) (r + (1 - r) min(t / warm-up, 1)),   r = warmup_lr / lr

  The decay runs over the whole training, as published: it does not begin anew
  after the warm-up.

  Args:
    config: `name`, `warmup_lr`, `end_lr` and `per_epoch`, which holds the decay
      constant within an epoch, as the published CIFAR recipes do, and not the
      warm-up.
    lr: The peak, were there no warm-up.
    warmup_steps: Length of the warm-up.
    total_steps: Length of training, warm-up included.
    steps_per_epoch: Steps of one epoch.

  Returns:
    The schedule, `step -> learning rate`.
  """
  make_decay = names.lookup("schedule", config["name"], SCHEDULES)
  decay = make_decay(lr, total_steps, config["end_lr"])
  hold = steps_per_epoch if config["per_epoch"] else 1
  start = config["warmup_lr"] / lr

  def schedule(step):
    rate = decay(step - jnp.mod(step, hold))
    if not warmup_steps:
      return rate
    return rate * (start + (1 - start) * jnp.minimum(step / warmup_steps, 1))

  return schedule


def make_optimizer(
    config: Mapping[str, Any],
    schedule: optax.Schedule,
    groups: Mapping[str, optax.GradientTransformation] | None = None,
) -> optax.GradientTransformation:
  """The optimizer of a configuration.

  Args:
    config: `name`, `weight_decay`, `decay_all` (norms and biases too),
      `clip_norm` (0 for none), `layer_decay` (1, for none, if it is not there),
      and options of the optax optimizer itself.
    schedule: The learning rate.
    groups: Other optimizers for some of the top-level keys of the parameters.
      The norm that is clipped is that of all gradients together, and layers
      are scaled whatever optimizer they have.

  Returns:
    The gradient transformation.

  Raises:
    ValueError: For an unknown optimizer, an option it does not have, and a
      `layer_decay` outside (0, 1].
  """
  options = {k: v for k, v in config.items() if k != "lr"}
  make = names.lookup("optimizer", options.pop("name"), OPTIMIZERS)
  clip_norm = options.pop("clip_norm")
  decay = options.pop("layer_decay", 1.0)
  mask = None if options.pop("decay_all") else decay_mask
  try:
    optimizer = make(schedule, options.pop("weight_decay"), mask, **options)
  except TypeError as error:
    raise ValueError(f"optimizer {config['name']!r}: {error}") from None
  if groups:
    optimizer = _partition(optimizer, groups)
  if decay != 1:
    optimizer = optax.chain(optimizer, layer_decay.scale_by_layer(decay))
  if not clip_norm:
    return optimizer
  return optax.chain(optax.clip_by_global_norm(clip_norm), optimizer)


# Done to all parameters together, so not again by the optimizer of a group.
_OF_ALL = {"clip_norm": 0.0, "layer_decay": 1.0}


def _partition(rest, groups):
  def group_of(params):
    return {key: key if key in groups else "" for key in params}

  return optax.partition({"": rest, **groups}, group_of)


def of_run(
    config: Any, times: durations.Durations
) -> tuple[optax.GradientTransformation, optax.Schedule]:
  """The optimizer of a whole configuration, and its learning rate.

  `method.groups` holds, by top-level key of the parameters, what differs from
  the sections `optimizer` and `schedule`, such as `{"lr": .1, "end_lr": .01}`
  or `{"warmup": "0 epochs"}`.

  Args:
    config: The configuration.
    times: Its durations in steps.

  Returns:
    The gradient transformation and the schedule.

  Raises:
    ValueError: For an unknown optimizer or option, and a group's bad warm-up.
  """

  def sections(changes, warmup):
    both = dict(config.optimizer), dict(config.schedule)
    for key, value in changes.items():
      section = both[1] if key in config.schedule and key != "name" else both[0]
      section[key] = value
    schedule = make_schedule(
        both[1], lr=both[0]["lr"], warmup_steps=warmup,
        total_steps=times.total, steps_per_epoch=times.epoch,
    )
    return both[0], schedule

  groups = {}
  for key, changes in config.method.get("groups", {}).items():
    options, schedule = sections(changes, _warmup(key, changes, config, times))
    groups[key] = make_optimizer(options | _OF_ALL, schedule)
  options, schedule = sections({}, times.warmup)
  return make_optimizer(options, schedule, groups), schedule


def _warmup(group, changes, config, times):
  """Steps of the warm-up of a group: its own, or that of the schedule."""
  if "warmup" not in changes:
    return times.warmup
  key, given = f"method.groups.{group}.warmup", changes["warmup"]
  steps = durations.steps(
      key, given, batch_size=config.batch_size,
      size=times.epoch * config.batch_size, total=times.total,
  )
  if steps > times.total:
    raise ValueError(
        f"{key} must be at most the {times.total} steps of total, got {given!r}"
    )
  return steps

"""From a row of a table to its configuration."""

from collections.abc import Mapping
import copy
from typing import Any

import ml_collections

from dmjax import config as config_lib
from dmjax import mixers
from dmjax.configs import adautomix
from dmjax.configs import automix
from dmjax.configs import publications
from dmjax.configs import table
from dmjax.configs import words
from dmjax.train import options

# Mixers without the options `alpha` and `per_batch`.
_NO_ALPHA = ("smoothmix", "comixup", "identity")
_NOT_PER_BATCH = ("comixup", "identity")
# A mixer with this in a smoke has as many stages as the tiny networks.
_LAST_STAGE = {"alignmix": {"stages": (2,)}}

# How a learned mixer makes a recipe its own, where it is not AutoMix's way.
_LAY_OVER = {"adautomix": adautomix.lay_over}

# What guides a mixer that asks for saliency, where it is not the gradient.
_SALIENCY = {"saliencymix": "fine_grained"}

# DM(CE) of the paper: a constant eta for both classes.
_DECOUPLED_CE = {"eta": 0.1, "select": "both", "power": 0.0}
# DM(BCE): targets min(w**0.8, 1). Our choice: none is published.
_DECOUPLED_BCE = {"threshold": 1.0, "power": 0.8}

# The networks of `smoke`, one for each family.
_TINY = {
    "resn": {"name": "resnet8", "depths": (1, 1), "widths": (4, 8)},
    "wide": {"name": "wide_resnet28_2", "depth": 10, "widen": 1},
    "deit": {"name": "deit_tiny", "width": 16, "depth": 2, "heads": 2},
    "swin": {
        "name": "swin_tiny", "depths": (1, 1), "width": 8, "heads": (1, 2),
        "window": 4,
    },
    "conv": {"name": "convnext_tiny", "depths": (1, 1), "widths": (8, 16)},
    "mobi": {
        "name": "mobilenetv2", "stages": ((1, 4, 1, 1), (4, 8, 2, 2)),
        "last_width": 32,
    },
    "prea": {
        "name": "preact_resnet18", "depths": (1, 1), "widths": (4, 8),
    },
    "effi": {
        "name": "efficientnet_b0",
        "stages": ((1, 4, 1, 1, 3), (4, 8, 2, 2, 5)), "last_width": 32,
    },
}


def get_config(suite: table.Suite, arg: str) -> ml_collections.ConfigDict:
  """The configuration that an argument names; ValueError if none is."""
  choice = words.parse(arg, suite)
  config = make(suite, choice)
  if not choice.smoke:
    return config
  return short(config) if choice.mixer == "mix_block" else smoke(config)


def make(
    suite: table.Suite, choice: words.Choice
) -> ml_collections.ConfigDict:
  """The configuration of a choice."""
  recipe = choice.recipe
  config = config_lib.default()
  config.batch_size = recipe.batch_size
  config.total = choice.table.length
  config.model = {"name": choice.network, "dtype": "float32", **recipe.model}
  config.data.update({**suite.data, **recipe.data})
  config.optimizer = dict(recipe.optimizer)
  config.schedule.update({"per_epoch": True, **recipe.schedule})
  config.evaluate.update(every="1 epochs", batch_size=512)
  if config.data.labels:
    config.evaluate.every = config.checkpoint.every = "5000 steps"
  if recipe.pretrained:
    config.pretrained = f"pretrained/{config.model.name}.safetensors"
  config.loss = _loss(choice)
  if choice.mixer in recipe.learned:
    lay_over = _LAY_OVER.get(choice.mixer, automix.lay_over)
    lay_over(config, recipe.learned[choice.mixer])
  elif recipe.method:
    config.mix = _mix(suite, choice)
    config.method = copy.deepcopy(recipe.method)
    config.unlabelled.update(recipe.unlabelled)
  else:
    config.mix = _mix(suite, choice)
    config.method.ema_decay = recipe.ema_decay
    config.method.saliency = _SALIENCY.get(choice.mixer, "input_gradient")
    config.update_from_flattened_dict(recipe.changes.get(choice.mixer, {}))
  if choice.method:
    lay_method_over(config, choice)
  if choice.wrap:
    config.wrap = dict(recipe.wraps[choice.wrap])
  if setting := _setting(choice):
    config.optimizer.weight_decay = setting.weight_decay
  config.published = publications.section(choice)
  return config


def lay_method_over(
    config: ml_collections.ConfigDict, choice: words.Choice
) -> None:
  """Makes the method of the configuration the one that its words name."""
  kept = ("ema_decay", "saliency", "groups")
  known = options.options_of("method", choice.method)
  kept = {key: config.method[key] for key in kept if key in config.method}
  kept = {k: v for k, v in kept.items() if k in known or k == "groups"}
  config.method = {"name": choice.method, **kept}
  takes_alpha = choice.mixer not in _NO_ALPHA and "alpha" in mixers.options_of(
      mixers.MIXERS.get(config.mix.name, mixers.identity)
  )
  for key, value in choice.recipe.methods[choice.method].items():
    section, _, option = key.rpartition(".")
    if key == "mix.alpha" and not takes_alpha:
      continue
    with config.unlocked():
      config[section][option] = value


def smoke(config: ml_collections.ConfigDict) -> ml_collections.ConfigDict:
  """The same recipe on a tiny network, noise and two steps."""
  model = dict(config.model)
  tiny = _TINY[model["name"][:4]]
  if "widths" not in tiny:
    model.pop("stem", None)
  config.model = model | tiny
  config.pretrained = ""
  config.data.update(
      name="mock", train="train", test="test", image_size=32, workers=0
  )
  for key in ("test_image_size", "test_resize"):
    config.data[key] = 40 if config.data[key] else 0
  if "stage" in config.method:
    config.method.stage = "stage1"
  config.mix = _shallow(config.mix)
  if config.data.labels:
    config.data.labels = "2 per class"
    config.unlabelled.ratio = 2
  if config.unlabelled.split:
    config.unlabelled.split = "train"
  warmup = config.schedule.warmup
  config = short(config)
  config.total, config.log.every = "2 steps", "1 steps"
  config.schedule.warmup = "0 steps" if warmup == "0 steps" else "1 steps"
  return config


def _shallow(mix):
  """The `mix` section with stages that a tiny network has."""
  mix = dict(mix) | _LAST_STAGE.get(mix["name"], {})
  if "mixers" in mix:
    mix["mixers"] = tuple(map(_shallow, mix["mixers"]))
  return mix


def short(config: ml_collections.ConfigDict) -> ml_collections.ConfigDict:
  """The same configuration for four steps of eight examples."""
  config.update(batch_size=8, total="4 steps")
  config.schedule.warmup = "1 steps"
  config.evaluate.update(every="2 steps", batch_size=8)
  config.checkpoint.every = "2 steps"
  return config


def _mix(suite: table.Suite, choice: words.Choice) -> dict[str, Any]:
  mixer = choice.mixer
  mix = choice.recipe.mixes.get(mixer)
  if isinstance(mix, Mapping):
    return copy.deepcopy(mix)
  section: dict[str, Any] = {"name": mixer}
  if mixer not in _NO_ALPHA:
    setting = _setting(choice)
    section["alpha"] = setting.alpha if setting else mix
  if mixer not in _NOT_PER_BATCH:
    section["per_batch"] = True
  if mixer == "mix_block":
    run = f"runs/{choice.network}_automix_{suite.name}"
    section |= {"name": "automix", "workdir": run, "keep_lam": False}
  return section


def _setting(choice: words.Choice) -> table.Decoupled | None:
  """The published setting of DM, where it is asked for and there is one."""
  return choice.recipe.decoupled.get(choice.mixer) if choice.dm else None


def _loss(choice: words.Choice) -> dict[str, Any]:
  loss = dict(choice.recipe.loss)
  if not choice.dm:
    return loss
  if publications.kind(choice) == "BCE":
    return loss | _DECOUPLED_BCE
  options: Mapping[str, Any] = _DECOUPLED_CE
  if setting := _setting(choice):
    options = {key: getattr(setting, key) for key in options}
  return loss | {"name": "decoupled_cross_entropy"} | options

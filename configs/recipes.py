"""Configurations from the recipe table."""

import ml_collections

from configs import table
from dmjax import config as config_lib
from dmjax.data import datasets

# Mixers without the options `alpha` and `per_batch`.
_NO_ALPHA = ("smoothmix", "comixup", "identity")
_NOT_PER_BATCH = ("comixup", "identity")

# The networks of `:smoke`, one for each family.
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
}


def make(
    recipe: str,
    dataset: str,
    backbone: str,
    mixer: str = "identity",
    *,
    decoupled: bool = False,
    arg: str = "",
) -> ml_collections.ConfigDict:
  """The configuration of one published number.

  Args:
    recipe: Key of `table.RECIPES`.
    dataset: Key of `datasets.DATASETS`.
    backbone: A network of `dmjax.models`.
    mixer: A mixer of `dmjax.mixers`, or `mixup_cutmix` for a choice of the two.
    decoupled: Whether the loss is its DM form.
    arg: `smoke` for a run of two steps on mock data with a tiny network.

  Returns:
    The configuration.

  Raises:
    ValueError: For an unknown argument.
  """
  row = table.RECIPES[recipe]
  published = _published(dataset, backbone, mixer) if decoupled else None
  config = config_lib.default()
  config.batch_size = row.batch_size
  config.total = f"{row.epochs} epochs"
  config.model = {"name": backbone, **_model(backbone, row.model)}
  config.data.update({**_data(dataset), **row.data})
  config.mix = _mix(recipe, backbone, mixer, published)
  config.saliency = table.SALIENCY.get(mixer, config.saliency)
  config.loss = _loss(row.loss, decoupled, published)
  config.optimizer = _optimizer(recipe, backbone, mixer, published)
  config.schedule.update({"per_epoch": True, **row.schedule})
  config.ema_decay = row.ema_decay
  config.evaluate.update(every="1 epochs", batch_size=512)
  if row.pretrained:
    config.pretrained = f"pretrained/{backbone}.safetensors"
  return for_arg(config, arg)


def for_arg(
    config: ml_collections.ConfigDict, arg: str
) -> ml_collections.ConfigDict:
  """The configuration itself, or its `smoke`; ValueError for another `arg`."""
  if arg not in ("", "smoke"):
    raise ValueError(f"the argument of a recipe must be smoke, got {arg!r}")
  return smoke(config) if arg else config


def smoke(config: ml_collections.ConfigDict) -> ml_collections.ConfigDict:
  """The same recipe on a tiny network, noise and two steps."""
  model = dict(config.model)
  tiny = _TINY[model["name"][:4]]
  if "widths" not in tiny:
    model.pop("stem", None)
  config.model = model | tiny
  config.batch_size, config.total, config.pretrained = 8, "2 steps", ""
  config.data.update(
      name="mock", train="train", test="test", image_size=32, workers=0
  )
  for key in ("test_image_size", "test_resize"):
    config.data[key] = 40 if config.data[key] else 0
  if "stage" in config.method:
    config.method.stage = "stage1"
  if config.schedule.warmup != "0 steps":
    config.schedule.warmup = "1 steps"
  config.evaluate.update(every="2 steps", batch_size=8)
  config.checkpoint.every = "2 steps"
  config.log.every = "1 steps"
  return config


def _published(dataset, backbone, mixer):
  return table.DECOUPLED.get((dataset, backbone), {}).get(mixer)


def _model(backbone, options):
  # MobileNetV2 has one stem, and neither it nor its recipe drops paths.
  only = ("dtype",) if backbone == "mobilenetv2" else tuple(options)
  return {"dtype": "float32", **{key: options[key] for key in only}}


def _data(dataset):
  facts = datasets.DATASETS[dataset]
  keys = ("name", "train", "test", "mean", "std")
  section = {key: getattr(facts, key) for key in keys}
  # Zeros around CIFAR-10, reflections around CIFAR-100: so published.
  mode = "constant" if dataset == "cifar10" else "reflect"
  return section | {"crop_mode": mode}


def _mix(recipe, backbone, mixer, published):
  alphas = table.ALPHAS[table.RECIPES[recipe].alphas]
  if mixer == "mixup_cutmix":
    pair = zip(("mixup", "cutmix"), alphas[mixer])
    mixers = tuple(
        {"name": name, "alpha": alpha, "per_batch": True}
        for name, alpha in pair
    )
    return {
        "name": "choose", "mixers": mixers, "probs": (0.5, 0.5),
        "per_batch": True,
    }
  section = {"name": mixer}
  if mixer not in _NO_ALPHA:
    exceptions = table.ALPHA_EXCEPTIONS
    alpha = exceptions.get((recipe, backbone, mixer), alphas[mixer])
    section["alpha"] = published.alpha if published else alpha
  if mixer not in _NOT_PER_BATCH:
    section["per_batch"] = True
  return section


def _loss(loss, decoupled, published):
  if not decoupled:
    return dict(loss)
  if loss["name"] == "mixup_binary_cross_entropy":
    return {**loss, **table.DECOUPLED_BCE}
  options = dict(table.DECOUPLED_CE)
  if published:
    options = {key: getattr(published, key) for key in options}
  return {**loss, "name": "decoupled_cross_entropy", **options}


def _optimizer(recipe, backbone, mixer, published):
  optimizer = dict(table.RECIPES[recipe].optimizer)
  if mixer in table.CUTTING:
    decays = table.CUTTING_WEIGHT_DECAY
    decay = decays.get((recipe, backbone), optimizer["weight_decay"])
    optimizer["weight_decay"] = decay
  if published:
    optimizer["weight_decay"] = published.weight_decay
  return optimizer

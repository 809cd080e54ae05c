"""The configuration: every key with its meaning, and what makes it valid."""

from collections.abc import Mapping
import functools
import os
import pathlib
from typing import Any

import jax
import ml_collections

from dmjax import losses
from dmjax import mixers
from dmjax import names
from dmjax.data import randaugment
from dmjax.methods import guidance

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


def default() -> ml_collections.ConfigDict:
  """The defaults; configuration files change what they need.

  Durations are strings: `200 epochs`, `500 steps`, `10000 examples`, `5 %`.
  """
  return ml_collections.ConfigDict({
      "seed": 0,
      # Over all devices and processes; must divide by the number of devices.
      "batch_size": 128,
      "total": "200 epochs",
      # Optimizer steps per call of the compiled step, at most; 0 chooses: 1 on
      # CPU, about 10 elsewhere, where dispatch would else take its share.
      "steps_per_call": 0,
      # `name` and attributes of a network of `dmjax.models`.
      "model": {"name": "resnet18", "dtype": "float32"},
      # Parameters to start from, a `.safetensors` file in timm's layout.
      "pretrained": "",
      "data": {
          # A TFDS dataset, `digits`, the path of a folder of images, or `mock`.
          "name": "cifar100",
          # Where TFDS datasets lie; TFDS_DATA_DIR or ~/tensorflow_datasets.
          "dir": "",
          "train": "train",
          "test": "test",
          # `resident` (the split on the device) or `streaming` (Grain).
          "pipeline": "resident",
          "workers": 0,
          # 0 keeps the size of the images.
          "image_size": 0,
          # Of test images: their size, `image_size` if 0, and the length their
          # shorter side gets before the central crop, the same if 0.
          "test_image_size": 0,
          "test_resize": 0,
          # Range of the area of a random crop that is resized; () for none.
          "crop_scale": (),
          "crop_padding": 4,
          "crop_mode": "reflect",
          "flip": True,
          # Strength of colour jitter; RandAugment takes its place.
          "jitter": 0.0,
          # A policy such as `rand-m9-mstd0.5-inc1`, for streaming.
          "rand_augment": "",
          # Probability of random erasing.
          "erase": 0.0,
          # Side of the square cut out; 0 for none.
          "cutout": 0,
          # Times that every image is in its batch (arXiv 1901.09335).
          "repeats": 1,
          "mean": (0.4914, 0.4822, 0.4465),
          "std": (0.2023, 0.1994, 0.2010),
      },
      # `name` and options of a method of `dmjax.methods`. That of `automix` has
      # sections of its own: see configs/automix.py.
      "method": {"name": "supervised"},
      # `name` and options of a mixer of `dmjax.mixers`.
      "mix": {"name": "cutmix", "alpha": 1.0, "per_batch": False},
      # What guides a mixer that asks for saliency: `input_gradient` (one extra
      # pass), or `spectral_residual` or `fine_grained`, which need no network.
      "saliency": "input_gradient",
      # `name` and options of a loss of `dmjax.losses`.
      "loss": {"name": "decoupled_cross_entropy", "eta": 0.1},
      # Options beside these go to the optimizer of optax.
      "optimizer": {
          "name": "sgd",
          "lr": 0.1,
          "momentum": 0.9,
          "weight_decay": 1e-4,
          # Decay norms and biases too.
          "decay_all": True,
          # Global norm that gradients are clipped to; 0 for none.
          "clip_norm": 0.0,
      },
      "schedule": {
          "name": "cosine",
          "warmup": "0 steps",
          "warmup_lr": 0.0,
          "end_lr": 0.0,
          # Hold the rate within an epoch, as the CIFAR recipes do.
          "per_epoch": False,
      },
      # Decay of the running average that is evaluated; 0 for none.
      "ema_decay": 0.0,
      "evaluate": {
          "every": "10 epochs",
          "batch_size": 256,
          # Mixer of the mixed test data; every row by itself.
          "mix": {"name": "cutmix", "alpha": 1.0},
      },
      "checkpoint": {"every": "10 epochs", "keep": 2},
      "log": {"every": "50 steps"},
  })


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
  # The engine depends on configurations, and only this mixer on the engine.
  from dmjax.train import learned  # pylint: disable=g-import-not-at-top

  mixer = learned.load(pathlib.Path(spec.pop("workdir")))
  options = names.configure("mixer", {"automix": mixers.automix}, spec).keywords
  return functools.partial(mixer, **options)


def make_loss(spec: Mapping[str, Any]):
  """The loss of a `loss` section: `loss(logits, labels, weights) -> [B]`."""
  return names.configure("loss", LOSSES, spec)


def make_mask_loss(spec: Mapping[str, Any]):
  """The loss of a `mask_loss` section: `loss(mask, lam) -> [B]`."""
  return names.configure("mask loss", MASK_LOSSES, spec)


def validate(config: ml_collections.ConfigDict) -> None:
  """Raises ValueError for what can be seen to be wrong before any work.

  Args:
    config: The configuration.
  """
  devices = jax.device_count()
  for key, value in (
      ("batch_size", config.batch_size),
      ("evaluate.batch_size", config.evaluate.batch_size),
  ):
    if value <= 0 or value % devices:
      raise ValueError(
          f"{key} must be a positive multiple of the {devices} devices, got"
          f" {value}"
      )
  _check_data(config.data)
  if config.pretrained and not os.path.isfile(config.pretrained):
    raise ValueError(
        f"pretrained must be a .safetensors file, got {config.pretrained!r}"
    )
  if config.optimizer.lr <= 0:
    raise ValueError(f"optimizer.lr must be > 0, got {config.optimizer.lr}")
  if guidance.asked(make_mixer(config.evaluate.mix)).before:
    raise ValueError(
        "evaluate.mix must be a mixer without guidance, got"
        f" {config.evaluate.mix.name!r}"
    )
  # A trace of mixer and loss on a small batch meets every check they make. What
  # a network has learned fits its own images alone.
  for mix in (config.mix, config.evaluate.mix):
    mixer, loss = make_mixer(mix), make_loss(config.loss)
    if mix.name != "automix":
      _dry_run(mixer, loss)


def _check_data(data):
  if data.pipeline not in ("resident", "streaming"):
    raise ValueError(
        f"data.pipeline must be resident or streaming, got {data.pipeline!r}"
    )
  if data.rand_augment:
    randaugment.parse(data.rand_augment)
    if data.pipeline != "streaming":
      raise ValueError(
          f"data.rand_augment={data.rand_augment!r} works on pictures, one by"
          " one; set --config.data.pipeline=streaming and --config.data.workers"
      )
  for key in ("erase", "jitter"):
    if not 0 <= data[key] <= 1:
      raise ValueError(f"data.{key} must lie in [0, 1], got {data[key]}")
  scale = tuple(data.crop_scale)
  if scale and not (len(scale) == 2 and 0 < scale[0] <= scale[1] <= 1):
    raise ValueError(
        f"data.crop_scale must be (smallest, largest) within (0, 1], got {scale}"
    )
  if scale and data.pipeline == "streaming" and not data.image_size:
    raise ValueError("data.image_size must be set with data.crop_scale, got 0")
  for key, least in (("repeats", 1), ("cutout", 0), ("test_resize", 0)):
    if data[key] < least:
      raise ValueError(f"data.{key} must be >= {least}, got {data[key]}")


def _dry_run(mixer, loss):
  def run(key, images):
    mixed = mixer(key, images, **guidance.training_free(mixer, images))
    labels = jax.numpy.zeros_like(mixed.sources)
    return loss(jax.numpy.zeros((4, 2)), labels, mixed.weights)

  images = jax.ShapeDtypeStruct((4, 32, 32, 3), "float32")
  jax.eval_shape(functools.partial(run, jax.random.key(0)), images)

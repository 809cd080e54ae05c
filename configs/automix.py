"""What every AutoMix and SAMix recipe shares (arXiv 2103.13027, 2111.15454)."""

from typing import Any

from dmjax import config as config_lib


def _published(stage, lr, end_lr, **changes):
  """What all recipes beyond CIFAR and Tiny-ImageNet have in common."""
  return {
      "stage": stage,
      "mix_block": {"name": "automix", "embedding": "concat"},
      "mask_decay": True,
      "end_momentum": 0.99999,
      "groups": {"mix_block": {"lr": lr, "end_lr": end_lr}},
      **changes,
  }


# The options in which recipes differ from that of ResNet on CIFAR. The reference
# takes the features of Swin after its patch merging; here the map before it, of
# twice the resolution, is what `stage3` names.
PUBLISHED = {
    "cifar_resnet": {},
    "cifar_wide_resnet": {
        "stage": "stage2",
        "groups": {"mix_block": {"momentum": 0.0}},
    },
    "tiny_imagenet_resnet": {
        "groups": {"mix_block": {"lr": 0.1, "end_lr": 1e-3}},
    },
    "imagenet_resnet": _published("stage3", 0.1, 1e-3),
    # The recipe of the published ResNet-50 of 100 epochs.
    "imagenet_resnet50": _published(
        "stage3", 0.1, 1e-3,
        groups={"mix_block": {"lr": 0.1, "end_lr": 1e-3, "momentum": 0.0}},
    ),
    "cub_resnet": _published("stage3", 0.01, 5e-4),
    "aircraft_resnet": _published("stage3", 0.01, 5e-4),
    "cars_resnet": _published("stage3", 0.1, 1e-3),
    "imagenet_deit_small": _published(
        "stage6", 1e-3, 1e-4, skip=0.2, momentum_delay=0.25
    ),
    "imagenet_swin_tiny": _published(
        "stage3", 1e-3, 1e-4, skip=0.2, momentum_delay=0.25
    ),
    "imagenet_convnext_tiny": _published(
        "stage3", 4e-3, 1e-4, skip=0.2, momentum_delay=0.25,
        end_momentum=0.99996,
    ),
}


def cifar(dataset: str, model: str) -> Any:
  """The CIFAR recipe: 200 epochs of SGD, batch 100; the rate ends at half.

  The teacher, not the rate, does the annealing. Wide ResNets have a recipe of
  their own: a smaller rate, more weight decay, 400 epochs.

  Args:
    dataset: `cifar10` or `cifar100`.
    model: A network of `dmjax.models`.

  Returns:
    The configuration.
  """
  config = config_lib.default()
  config.batch_size, config.total = 100, "200 epochs"
  config.data.name, config.model.name = dataset, model
  config.schedule.update(per_epoch=True, end_lr=0.05)
  config.evaluate.update(every="1 epochs", batch_size=500)
  if not model.startswith("wide_resnet"):
    return automix(config, **PUBLISHED["cifar_resnet"])
  config.total = "400 epochs"
  config.optimizer.update(lr=0.03, weight_decay=1e-3)
  config.schedule.end_lr = 1e-3
  return automix(config, **PUBLISHED["cifar_wide_resnet"])


def automix(config: Any, **changes: Any) -> Any:
  """Makes a configuration one of AutoMix.

  Args:
    config: The configuration; its sections `mix` and `method` are replaced.
    **changes: Options of the method that differ from those of CIFAR. `groups`
      holds the optimizer of the Mix Block, where it differs:
      `{"mix_block": {"lr": .1, "end_lr": 1e-3, "momentum": 0.}}`.

  Returns:
    The same configuration.
  """
  config.mix = {"name": "mixup", "alpha": 2.0, "per_batch": True}
  config.loss = {"name": "mixup_cross_entropy"}
  config.method = {
      "name": "automix",
      # Of the teacher's features.
      "stage": "stage3",
      "mix_block": {"name": "automix"},
      "mask_loss": {"name": "mask_l1", "per_batch": True},
      "mask_weight": 0.1,
      "mask_decay": False,
      "lam_margin": 0.08,
      "skip": 0.0,
      "momentum": 0.999,
      "end_momentum": 0.999999,
      "momentum_delay": 0.1,
      # What differs from `optimizer` and `schedule`, per group of parameters.
      "groups": {"mix_block": {}},
  }
  config.method.update(changes)
  return config


def smoke(config: Any) -> Any:
  """The same configuration for a few steps."""
  config.update(batch_size=8, total="4 steps")
  config.schedule.warmup = "1 steps"
  config.evaluate.update(every="2 steps", batch_size=8)
  config.checkpoint.every = "2 steps"
  return config

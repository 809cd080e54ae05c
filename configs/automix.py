"""What every AutoMix and SAMix recipe shares (arXiv 2103.13027, 2111.15454)."""

from typing import Any


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

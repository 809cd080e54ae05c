"""A run of a few seconds of FixMatch on a slice of the digits, for tests."""

from tests import tiny_config


def get_config():
  """The configuration."""
  config = tiny_config.get_config()
  config.batch_size = 8
  config.total = "6 steps"
  config.evaluate.every = "6 steps"
  config.data.labels = "2 per class"
  # Not all of `train`, so that tests can tell the two splits apart.
  # A policy would take most of the time to compile.
  config.unlabelled.update(split="train[:160]", ratio=2, auto_augment="")
  config.mix = {"name": "identity"}
  # So low that a network of no training believes some.
  config.method = {
      "name": "fixmatch", "ema_decay": 0.9,
      "threshold": {"name": "flexmatch", "tau": 0.105},
  }
  config.optimizer.lr = 0.03
  return config

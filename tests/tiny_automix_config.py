"""A run of a few seconds of AutoMix on a slice of the digits, for tests."""

from configs import automix
from tests import tiny_config


def get_config():
  """The configuration."""
  config = tiny_config.get_config()
  config.ema_decay = 0.0
  return automix.automix(
      config, stage="stage2", mix_block={"name": "samix"}, skip=0.3,
      momentum=0.9, groups={"mix_block": {"lr": 0.02, "momentum": 0.5}},
  )

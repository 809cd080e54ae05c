"""A run of a few seconds of AutoMix on a slice of the digits, for tests."""

from dmjax.configs import automix
from tests import tiny_config


def get_config():
  """The configuration."""
  config = tiny_config.get_config()
  return automix.automix(
      config, stage="stage2", mix_block={"name": "samix"}, skip=0.3,
      momentum=0.9, groups={"mix_block": {"lr": 0.02, "momentum": 0.5}},
  )

"""The configurations of AutoMix: each is valid and makes a method."""

import pathlib
import runpy

import pytest

from configs import automix as automix_config
from dmjax import config as config_lib
from dmjax.train import build
from dmjax.train import durations
from dmjax.train import optimizer as optimizer_lib

CONFIGS = pathlib.Path(__file__).parents[1] / "configs"


@pytest.mark.parametrize("name", automix_config.PUBLISHED)
def test_the_published_options_make_a_method(name):
  config = config_lib.default()
  config.model = {"name": "resnet8", "dtype": "float32"}
  automix_config.automix(config, **automix_config.PUBLISHED[name])
  config_lib.validate(config)
  assert build.make_method(config, 10).learned is not None
  optimizer_lib.of_run(
      config, warmup_steps=0, total_steps=10, steps_per_epoch=1
  )


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*/*_automix.py")), ids=str)
def test_every_configuration_is_valid_and_has_a_smoke_version(path):
  get_config = runpy.run_path(str(path))["get_config"]
  for config in (get_config(), get_config("smoke")):
    config_lib.validate(config)
    assert build.make_method(config, 10).learned is not None
  assert durations.of_run(get_config("smoke"), 100).total <= 10

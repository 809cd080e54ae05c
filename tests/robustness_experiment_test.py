"""The experiment on robustness: what it trains, and what it makes of probes."""

import pathlib
import types

import numpy as np
import pytest

from dmjax.evaluate import probes
from dmjax.train import probing
from experiments import probe_cost
from experiments import robustness


def arguments(**changes):
  return types.SimpleNamespace(
      **{"data": "digits", "data_dir": "", "smoke": False} | changes
  )


def a_found(name, metrics):
  """What a probe finds, every case with the same metrics."""
  cases = probes.PROBES[name].cases(probes.Options(eps=(8,)))
  return probing.Found(cases, [metrics] * len(cases), [], np.zeros(1))


def test_the_decoupled_form_of_automix_mixes_by_the_run_before_it():
  block = pathlib.Path("runs/AutoMix_CE_3")
  config = robustness.config_of(arguments(), "automix", "DM(CE)", 3, block)
  assert config.mix.workdir == str(block) and config.seed == 3
  assert config.loss.name == "decoupled_cross_entropy"
  config = robustness.config_of(arguments(), "automix", "CE", 3, None)
  assert config.method.name == "automix"


@pytest.mark.parametrize("mixer", ("identity", "cutmix", "puzzlemix"))
def test_a_tenth_of_cifar_is_trained_at_sixteen_pixels(mixer):
  config = robustness.config_of(
      arguments(data="cifar100", data_dir="there"), mixer, "CE", 0, None
  )
  assert (config.data.train, config.data.image_size) == ("train[:10%]", 16)
  assert (config.model.name, config.data.dir) == ("resnet8", "there")


def test_each_probe_gives_its_number_to_the_table():
  shares = dict(zip(robustness.PROBES, (0.9, 0.8, 0.7, 0.6, 0.5, 0.4)))
  found = {
      name: a_found(name, {
          "top1": share, "mixed_top1": share, "ece": 0.1, "nll": 1.0,
      })
      for name, share in shares.items()
  }
  numbers = robustness.summary(found)
  assert numbers == pytest.approx({
      "clean": 0.9, "ece": 0.1, "mixed": 0.8, "fgsm": 0.7, "pgd": 0.6,
      "corruptions": 0.5, "occlusion": 0.4,
  })
  row = {"mixer": "none", "loss": "CE", "seed": "0", **numbers}
  page = robustness.page("digits", [row, row | {"seed": "1"}])
  assert "| none | CE | 2 | 90.00 ± 0.00 | 10.00 ± 0.00 |" in page


def test_the_cost_is_the_median_ratio_of_the_same_rounds():
  args = types.SimpleNamespace(
      network="resnet8", pixels=8, batch_size=4, repeats=3, corruptions=["fog"]
  )
  seconds = {
      "PGD-10": np.array([2.0, 3.0, 9.0]), "passes": np.array([2.0, 2.0, 9.0]),
      "": np.array([1.0, 2.0, 1.0]), "fog": np.array([1.5, 2.2, 1.2]),
  }
  found = probe_cost.page(args, seconds)
  assert "**1.00** times its 11" in found and "| fog | +20 |" in found

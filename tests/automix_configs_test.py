"""The configurations of AutoMix: each holds its recipe, and trains."""

import importlib
import os
import pathlib
import re

import numpy as np
import pytest

from configs import automix
from configs import table
from dmjax.train import build
from dmjax.train import durations
from dmjax.train import loop
from dmjax.train import optimizer as optimizer_lib

ROOT = pathlib.Path(__file__).parents[1]
FILES = sorted(
    f"{path.parent.name}/{path.stem}"
    for path in (ROOT / "configs").glob("*/*mix.py")
    if re.search("_(automix|samix)$", path.stem)
    and path.parent.name in table.TRAINED
)
# Every kind of Mix Block and network once; DMJAX_ALL_SMOKES=1 takes all.
TRAINED = FILES if os.environ.get("DMJAX_ALL_SMOKES") else (
    "cifar100/resnet18_automix", "cifar100/wide_resnet28_8_samix",
    "cifar100/deit_small_automix", "imagenet/swin_tiny_samix",
    "imagenet/convnext_tiny_automix", "imagenet/resnet50_100ep_automix",
    "cub200/resnet18_samix",
)


def get_config(name, arg=""):
  module = importlib.import_module(f"configs.{name.replace('/', '.')}")
  return module.get_config(arg)


def parts_of(name):
  """Dataset, backbone, recipe and flavour, from a file's name alone."""
  dataset, stem = name.split("/")
  stem, flavour = stem.rsplit("_", 1)
  backbone = stem.removesuffix("_100ep").removesuffix("_300ep")
  token = stem.removeprefix(backbone).removeprefix("_")
  return dataset, backbone, token or table.TRAINED[dataset][backbone][0], flavour


def test_every_backbone_of_the_table_with_a_published_number_has_a_file():
  published = {
      (dataset, backbone)
      for dataset, backbones in table.TRAINED.items()
      for backbone in backbones
  }
  for flavour in ("automix", "samix"):
    found = {parts_of(n)[:2] for n in FILES if n.endswith(f"_{flavour}")}
    assert published - found == {("imagenet", "mobilenetv2")}
    assert found <= published


@pytest.mark.parametrize("name", FILES)
def test_a_configuration_holds_what_the_tables_say(name):
  dataset, backbone, recipe, flavour = parts_of(name)
  config, row = get_config(name), table.RECIPES[recipe]
  key = dataset if recipe == "fine" else recipe
  changes = automix.CHANGES[key]
  if flavour == "samix":
    changes = automix.merged(changes, automix.SAMIX[key])
  epochs = automix.EPOCHS.get((key, backbone), row.epochs)
  assert config.total == f"{epochs} epochs"
  assert config.batch_size == row.batch_size
  optimizer = {**row.optimizer, **changes.optimizer}
  assert config.optimizer.to_dict() == optimizer
  schedule = {"per_epoch": True, **row.schedule, **changes.schedule}
  assert schedule.items() <= config.schedule.to_dict().items()
  assert config.loss.to_dict() == row.loss
  assert config.mix.to_dict() == {
      "name": "mixup", "alpha": 2.0, "per_batch": True
  }
  for option in set(changes.method) - {"groups", "mix_block"}:
    assert config.method[option] == changes.method[option]
  block = dict(changes.method.get("mix_block", {"name": "automix"}))
  if (key, backbone, flavour) == ("tiny", "resnet18", "samix"):
    block["bend"] = -1.0
  assert config.method.mix_block.to_dict() == block
  assert block["name"] == flavour
  assert config.method.mask_loss.get("variance", 0) == 2 * (flavour == "samix")
  group = dict(changes.method.get("groups", {"mix_block": {}})["mix_block"])
  if (key, backbone, flavour) == ("100ep", "resnet50", "automix"):
    group["momentum"] = 0.0
  assert config.method.groups.mix_block.to_dict() == group


@pytest.mark.parametrize("name", FILES)
def test_the_docstring_has_command_and_metric(name):
  text = " ".join((ROOT / "configs" / f"{name}.py").read_text().split())
  assert f"dmjax train --config configs/{name}.py" in text
  assert "Metric: median" in text and "automix.make(" in text


@pytest.mark.parametrize("name", FILES)
def test_every_configuration_makes_a_method(name):
  for config in (get_config(name), get_config(name, "smoke")):
    build.make_mixer(config.mix)
    assert build.make_method(config, 10).learned is not None
    optimizer_lib.of_run(
        config, warmup_steps=0, total_steps=10, steps_per_epoch=1
    )
  assert durations.of_run(config, 100).total == 2


@pytest.mark.parametrize("name", TRAINED)
def test_a_smoke_trains_two_steps_and_evaluates(name, tmp_path, monkeypatch):
  # Pictures are drawn in other tests, and take as long as the training here.
  for draw in ("save", "save_masks"):
    monkeypatch.setattr(loop.preview, draw, lambda *_: None)
  monkeypatch.setattr(loop.progress.plots, "curves", lambda *_: None)
  result = loop.train(get_config(name, "smoke"), tmp_path)
  assert result.finished and result.step == 2
  assert np.isfinite(list(result.metrics.values())).all()


@pytest.mark.parametrize("name", ("resnet8_automix", "resnet8_mix_block_dm"))
def test_those_of_digits_have_a_short_version(name):
  config = get_config(f"digits/{name}", "smoke")
  assert durations.of_run(config, 100).total <= 10

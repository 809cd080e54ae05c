"""Every configuration: what it holds, and that it trains."""

import importlib
import os
import pathlib
import re

import numpy as np
import pytest

from configs import table
from dmjax import mixers
from dmjax import models
from dmjax.data import datasets
from dmjax.train import build
from dmjax.train import loop

ROOT = pathlib.Path(__file__).parents[1]
FILES = sorted(
    f"{path.parent.name}/{path.stem}"
    for path in (ROOT / "configs").glob("*/*.py")
    if path.parent.name in table.TRAINED
    # AutoMix has recipes of its own, see `automix_configs_test.py`.
    and not re.search("automix|samix|mix_block", path.stem)
)
IN_NAME = ("100ep", "300ep", "rsb_a3", "rsb_a2")


def get_config(name, arg=""):
  module = importlib.import_module(f"configs.{name.replace('/', '.')}")
  return module.get_config(arg)


def parts_of(name):
  """Recipe, dataset, backbone, mixer and loss, from a file's name alone."""
  dataset, stem = name.split("/")
  backbones = [b for b in table.TRAINED[dataset] if stem.startswith(b + "_")]
  backbone = max(backbones, key=len)
  stem, decoupled = re.subn("_dm$", "", stem.removeprefix(backbone + "_"))
  token = re.match("|".join(IN_NAME), stem)
  recipe = token[0] if token else table.TRAINED[dataset][backbone][0]
  mixer = stem.removeprefix(recipe + "_").replace("baseline", "identity")
  return recipe, dataset, backbone, mixer, bool(decoupled)


def expected_files():
  for dataset, backbones in table.TRAINED.items():
    for backbone, trained in backbones.items():
      for recipe in trained:
        known = table.ALPHAS[table.RECIPES[recipe].alphas]
        names = [m for m in ("mixup", "cutmix", "mixup_cutmix") if m in known]
        if (dataset, recipe) == ("cifar100", "cifar"):
          names = list(table.BENCHMARK)
        names = [f"{name}{loss}" for name in names for loss in ("", "_dm")]
        if not recipe.startswith("rsb"):
          names.append("baseline")
        token = f"{recipe}_" if recipe in IN_NAME else ""
        for name in names:
          yield f"{dataset}/{backbone}_{token}{name}"


def test_there_is_a_file_for_every_row_of_the_table():
  assert FILES == sorted(expected_files())


@pytest.mark.parametrize("name", FILES)
def test_a_configuration_holds_what_the_table_says(name):
  recipe, dataset, backbone, mixer, decoupled = parts_of(name)
  row, config = table.RECIPES[recipe], get_config(name)
  assert config.total == f"{row.epochs} epochs"
  assert config.batch_size == row.batch_size
  assert (config.model.name, config.ema_decay) == (backbone, row.ema_decay)
  assert bool(config.pretrained) == row.pretrained
  for key, value in row.data.items():
    assert config.data[key] == value, key
  check_schedule(config, row)
  published = table.DECOUPLED.get((dataset, backbone), {}).get(mixer)
  published = published if decoupled else None
  check_optimizer(config, row, recipe, backbone, mixer, published)
  check_mixer(config, row, recipe, backbone, mixer, published)
  check_loss(config, row, decoupled, published)
  facts = datasets.DATASETS[dataset]
  assert config.data.name == facts.name and config.data.mean == facts.mean
  assert (config.data.train, config.data.test) == (facts.train, facts.test)


def check_schedule(config, row):
  schedule = config.schedule
  assert schedule.name == "cosine"
  assert schedule.per_epoch == row.schedule.get("per_epoch", True)
  assert schedule.warmup == row.schedule.get("warmup", "0 steps")
  assert schedule.end_lr == row.schedule.get("end_lr", 0.0)


def check_optimizer(config, row, recipe, backbone, mixer, published):
  decay = row.optimizer["weight_decay"]
  if mixer in table.CUTTING and (recipe, backbone) in table.CUTTING_WEIGHT_DECAY:
    decay = table.CUTTING_WEIGHT_DECAY[recipe, backbone]
  decay = published.weight_decay if published else decay
  expected = {**row.optimizer, "weight_decay": decay}
  assert config.optimizer.to_dict() == expected


def check_mixer(config, row, recipe, backbone, mixer, published):
  alphas = table.ALPHAS[row.alphas]
  if mixer == "mixup_cutmix":
    specs = config.mix.mixers
    assert [spec["name"] for spec in specs] == ["mixup", "cutmix"]
    assert tuple(spec["alpha"] for spec in specs) == alphas[mixer]
    assert all(spec["per_batch"] for spec in (*specs, config.mix))
    return
  assert config.mix.name == mixer
  assert config.saliency == table.SALIENCY.get(mixer, "input_gradient")
  if "alpha" in config.mix:
    alpha = alphas[mixer]
    alpha = table.ALPHA_EXCEPTIONS.get((recipe, backbone, mixer), alpha)
    assert config.mix.alpha == (published.alpha if published else alpha)
  else:
    assert mixer not in alphas and not published
  if "per_batch" in mixers.options_of(mixers.MIXERS[mixer]):
    assert config.mix.per_batch


def check_loss(config, row, decoupled, published):
  if not decoupled:
    assert config.loss.to_dict() == row.loss
  elif row.loss["name"] == "mixup_binary_cross_entropy":
    assert config.loss.to_dict() == {**row.loss, **table.DECOUPLED_BCE}
    assert config.loss.power < 1 or config.loss.threshold < 1
  else:
    assert config.loss.name == "decoupled_cross_entropy"
    for key, value in table.DECOUPLED_CE.items():
      assert config.loss[key] == (getattr(published, key, value))
    assert config.loss.label_smoothing == row.loss["label_smoothing"]


@pytest.mark.parametrize("name", FILES)
def test_the_docstring_has_command_and_metric(name):
  text = (ROOT / "configs" / f"{name}.py").read_text()
  assert f"dmjax train --config configs/{name}.py" in text
  assert "Metric: median" in text or "report the median" in text


def representatives():
  """Files that hold every recipe, family and loss at least once.

  Every mixer trains in `guidance_test.py`. DMJAX_ALL_SMOKES=1 takes one file of
  every distinct `:smoke`.
  """
  traits = {name: traits_of(name) for name in FILES}
  chosen, missing = [], set().union(*traits.values())
  while missing:
    chosen.append(max(FILES, key=lambda name: len(traits[name] & missing)))
    missing -= traits[chosen[-1]]
  return chosen


def traits_of(name):
  """What of a file has to be trained once."""
  recipe, _, _, _, decoupled = parts_of(name)
  config = get_config(name, "smoke")
  if os.environ.get("DMJAX_ALL_SMOKES"):
    return {config.to_json()}
  loss = ("loss", config.loss.name, decoupled)
  return {("recipe", recipe), ("family", config.model.name), loss}


@pytest.mark.parametrize("name", FILES)
def test_every_smoke_is_a_valid_run_on_noise(name):
  config, whole = get_config(name, "smoke"), get_config(name)
  assert config.data.name == "mock" and config.total == "2 steps"
  for key in ("mix", "loss", "optimizer"):
    assert config[key] == whole[key]
  build.make_mixer(config.mix)
  build.make_loss(config.loss)
  models.create(num_classes=10, **config.model)
  models.create(num_classes=10, **whole.model)


@pytest.mark.parametrize("name", representatives())
def test_a_smoke_trains_two_steps_and_evaluates(name, tmp_path, monkeypatch):
  # Pictures are drawn in other tests, and take as long as the training here.
  monkeypatch.setattr(loop.preview, "save", lambda *_: None)
  monkeypatch.setattr(loop.progress.plots, "curves", lambda *_: None)
  result = loop.train(get_config(name, "smoke"), tmp_path)
  assert result.finished and result.step == 2
  assert np.isfinite(list(result.metrics.values())).all()


def test_an_unknown_argument_is_named():
  with pytest.raises(ValueError, match="must be smoke, got 'smok'"):
    get_config("cifar100/resnet18_cutmix", "smok")


def test_another_optimizer_takes_no_momentum_along():
  config = get_config("imagenet/deit_small_mixup")
  assert config.optimizer.name == "adamw" and "momentum" not in config.optimizer


def test_files_are_rows_and_not_copies():
  for name in FILES:
    code = (ROOT / "configs" / f"{name}.py").read_text().split('"""', 2)[2]
    assert len(code.strip().splitlines()) <= 12
    assert "recipes.make(" in code

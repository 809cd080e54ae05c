"""The smokes of the recipes: all are valid runs, some train.

Two steps of a tiny network on noise. DMJAX_ALL_SMOKES=1 trains one of every
distinct smoke, a quarter of an hour more.
"""

import functools
import json
import os

import jax
import numpy as np
import pytest

from dmjax import recipes
from dmjax.train import loop
from dmjax.train import run as run_lib

ALL = bool(os.environ.get("DMJAX_ALL_SMOKES"))
WITH_POLICY = "imagenet:resnet50,rsb_a2,mixup,dm,smoke"
WITH_STRONG_POLICY = "cifar10:fixmatch,40,smoke"
# Together they have every trait. Of the two Mix Blocks SAMix, and of the inputs
# all but images, are trained in tests of their own, and so are some methods.
OWN = {("method", "fix"), ("method", "fixed")}
FEW = (
    WITH_POLICY,
    WITH_STRONG_POLICY,
    "imagenet:resnet50,rsb_a3,automix,smoke",
    "cifar100:resnet18,adautomix,smoke",
    "cub200:self_tuning,15,resizemix,dm,smoke",
    "tiny_imagenet:preact_resnet18,regmixup,smoke",
    "tiny_imagenet:preact_resnet18,mixupe,smoke",
    "stl10:ict,40,smoke",
    "stl10:mixmatch,40,smoke",
    "stl10:pseudo_label,40,smoke",
    "stl10:remixmatch,40,smoke",
)


@functools.cache
def distinct():
  """A name for every distinct smoke of images, but for those of other runs."""
  names = [f"{row.argument},smoke" for row in recipes.rows()]
  names = [n for n in names if "mix_block" not in n and "digits" not in n]
  smokes = {smoke_of(name): name for name in reversed(names)}
  return {text: n for text, n in smokes.items() if '"mock/' not in text}


def smoke_of(name):
  """The configuration as text, without what is only published."""
  config = recipes.load(name)
  del config.published
  return config.to_json()


def traits_of(name):
  """What of a smoke has to be trained once."""
  config = recipes.load(name)
  return {
      ("loss", config.loss.name, ",dm" in name),
      ("method", config.method.name),
      ("pipeline", config.data.pipeline, config.data.repeats),
  }


def test_the_few_have_every_trait():
  every = set().union(*map(traits_of, distinct().values()))
  assert every - OWN == set().union(*map(traits_of, FEW))


def lightened(name):
  """The smoke, which compiles for less long.

  Policies are only where they are tried. The network is the smallest: each is
  tried, and so is each optimizer, in tests of its own.
  """
  config = recipes.load(name)
  if name != WITH_POLICY:
    config.data.auto_augment = ""
  if name != WITH_STRONG_POLICY:
    config.unlabelled.auto_augment = ""
  if not ALL:
    tiny = recipes.load("cifar100:resnet18,mixup,smoke").model
    config.model = tiny.to_dict() | {"dtype": config.model.dtype}
  return config


def test_every_smoke_is_a_valid_run():
  """One of each mixer, loss, network and method: the checks of a run pass."""
  seen = set()
  for text, name in distinct().items():
    config = json.loads(text)
    parts = {
        json.dumps(config["mix"]) + json.dumps(config["loss"]),
        json.dumps(config["model"]),
        json.dumps(config["method"]) + config["loss"]["name"],
    }
    if parts - seen:
      seen |= parts
      run = run_lib.assemble(recipes.load(name))
      assert run.times.total == 2 and run.example["x"].shape == (1, 32, 32, 3)
  assert len(seen) > 50


@pytest.mark.usefixtures("without_pictures")
@pytest.mark.parametrize("name", distinct().values() if ALL else FEW)
def test_a_smoke_trains_two_steps_and_evaluates(name, tmp_path):
  result = loop.train(lightened(name), tmp_path)
  assert result.finished and result.step == 2
  assert np.isfinite(list(result.metrics.values())).all()
  if ALL:  # No other smoke has this program, and memory maps are few.
    jax.clear_caches()

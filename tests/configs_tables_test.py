"""The tables of recipes: the numbers published, and what holds for all."""

import functools
import re

import ml_collections
import pytest

from dmjax import config as config_lib
from dmjax import losses
from dmjax import mixers
from dmjax import models
from dmjax import names
from dmjax import recipes
from dmjax.configs import cifar100
from dmjax.configs import publications
from dmjax.configs import table
from dmjax.configs import words

RULES = ("best", "last", "median")
TEACHER = (
    "the teacher's head of clean images is evaluated, fixed in advance; the"
    " published tables take the better of two heads at the best of three"
    " windows"
)


@pytest.mark.parametrize("argument, epochs, number, rule, last", (
    ("cifar100:resnet18,cutmix", 200, 79.45, "median", 10),
    ("cifar100:resnet18,cutmix", 1200, 78.29, "median", 10),
    ("cifar100:resnext50_32x4d,cutmix", 200, 81.52, "median", 10),
    ("cifar100:resnext50_32x4d,samix", 1200, 84.31, "median", 10),
    ("cifar100:resnet18,alignmix", 1200, 81.71, "median", 10),
    ("cifar100:wide_resnet28_8,samix", 400, 85.50, "median", 10),
    ("cifar100:swin_tiny,mixup", 600, 83.67, "best", 10),
    ("cifar100:convnext_tiny,automix", 600, 84.79, "median", 10),
    ("cifar10:resnext50_32x4d", 1200, 96.26, "median", 10),
    ("tiny_imagenet:resnet18,samix", 400, 68.89, "median", 10),
    ("imagenet:resnet50,100ep", 100, 76.83, "median", 5),
    ("imagenet:resnet50,100ep,samix", 100, 78.14, "median", 10),
    ("imagenet:resnet101,300ep,mixup", 300, 80.60, "median", 10),
    ("imagenet:mobilenetv2,rsb_a3,mixup", 100, 70.17, "median", 5),
    ("imagenet:resnet50,rsb_a2,mixup_cutmix", 300, 79.80, "median", 10),
    ("imagenet:deit_small,cutmix", 300, 80.13, "best", 0),
    ("imagenet:convnext_tiny,mixup_cutmix", 300, 82.10, "best", 0),
    ("cub200:resnet50,automix", 200, 83.88, "median", 10),
    ("cars:resnet18,automix", 200, 88.89, "median", 10),
    ("cifar10:resnet18,puzzlemix", 800, 97.10, "median", 10),
    ("cifar100:wide_resnet28_8,resizemix", 400, 84.87, "median", 10),
    ("cifar100:deit_small,transmix", 600, 79.33, "best", 10),
    ("tiny_imagenet:resnext50_32x4d,comixup", 400, 68.02, "median", 10),
    ("imagenet:resnet50,300ep,alignmix", 300, 79.32, "median", 10),
    ("imagenet:resnet18,100ep,attentivemix", 100, 68.57, "median", 5),
    ("imagenet:efficientnet_b0,rsb_a3,samix", 100, 75.28, "median", 10),
    ("imagenet:efficientnet_b0,rsb_a2,mixup_cutmix", 300, 77.26, "median", 10),
    ("imagenet:resnet50,rsb_a3,automix", 100, 78.44, "median", 10),
    ("imagenet:deit_tiny,tokenmix", 300, 75.31, "best", 0),
    ("imagenet:deit_small,smmix", 300, 81.10, "best", 0),
    ("imagenet:deit_small,mixpro", 300, 81.30, "best", 0),
    ("imagenet:deit_base,transmix", 300, 82.51, "best", 0),
    ("aircraft:resnext50_32x4d,cutmix", 200, 84.55, "median", 10),
))
def test_numbers_are_those_published(argument, epochs, number, rule, last):
  section = recipes.load(argument).published
  assert section.top1[f"{epochs} epochs"] == number
  assert (section.rule, section.last) == (rule, last)


def test_sources_are_named():
  for argument, source in (
      ("cub200:resnet18,mixup", table.OPENMIXUP),
      ("cub200:resnet50,mixup", table.ADAUTOMIX),
      ("cars:resnet18,mixup", table.ADAUTOMIX),
      (
          "imagenet:deit_small,tokenmix",
          "TokenMix (arXiv 2207.08409), listed by OpenMixup (arXiv 2209.04851)",
      ),
  ):
    assert recipes.load(argument).published.source == source


def test_dm_without_a_number_tells_that_of_its_mixup_loss():
  section = recipes.load("cifar100:deit_small,cutmix,dm").published
  assert not section.top1 and not section.source
  assert section.beside == (
      "mixup CE: 74.12 after 200, 79.54 after 600 epochs, OpenMixup (arXiv"
      " 2209.04851)"
  )
  beside = recipes.load("imagenet:resnet50,rsb_a3,cutmix,dm").published.beside
  assert beside.startswith("mixup BCE: 77.62 after 100 epochs")


def test_notes_say_what_a_number_does_not():
  def note(argument):
    return recipes.load(argument).published.note

  assert note("cifar100:resnet18,samix") == TEACHER
  assert "better of two heads" not in note("cars:resnet18,samix")
  assert "for 800 epochs" in note("cifar100:resnet18,cutmix,dm")
  assert "no DM is published" in note("cifar100:resnet18,puzzlemix,dm")
  assert "our choice" in note("imagenet:resnet50,rsb_a3,mixup_cutmix,dm")
  assert "torchvision" in note("cub200:resnet18")
  assert "59 hours for 600 epochs" in note("cifar100:deit_small,automix")
  assert note("cifar100:resnext50_32x4d,alignmix").startswith(
      "no accuracy is published"
  )
  assert not note("imagenet:swin_tiny,mixup")


@pytest.mark.parametrize("argument, says", (
    ("imagenet:deit_small,samix", "extrapolated"),
    ("imagenet:swin_tiny,samix", "extrapolated"),
    ("imagenet:convnext_tiny,samix", "extrapolated"),
    ("imagenet:deit_tiny,automix", "extrapolated"),
    ("imagenet:deit_base,automix", "extrapolated"),
    ("imagenet:resnet50,rsb_a3,automix", "extrapolated"),
    ("cars:resnext50_32x4d,samix", "extrapolated"),
    ("cifar100:resnet18,attentivemix", "self-taught"),
    ("imagenet:deit_small,tokenmix", "self-taught"),
    ("cifar100:resnet18,smoothmix", "inverted labels"),
    ("cifar10:resnet18,saliencymix", "all boxes of a batch by one image"),
    ("tiny_imagenet:resnet18,fmix,dm", "two rows of the spectrum"),
    ("imagenet:resnet50,100ep,cutmix", "64 images a GPU"),
    ("imagenet:efficientnet_b0,rsb_a3,mixup", "epsilon 1e-3"),
    ("imagenet:deit_small,smmix", "with the loss of the paper"),
))
def test_notes_name_what_a_recipe_does_otherwise(argument, says):
  assert says in recipes.load(argument).published.note


def test_what_is_configured_as_published_is_not_called_extrapolated():
  for argument in ("imagenet:deit_small,automix", "cars:resnet18,automix",
                   "imagenet:resnet50,100ep,samix", "cifar100:swin_tiny,samix"):
    assert "extrapolated" not in recipes.load(argument).published.note


# What holds for every recipe.


@functools.cache
def everything():
  """Every recipe: its row, its configuration and its smoke."""
  load = recipes.load
  return [
      (row, load(row.argument), load(f"{row.argument},smoke"))
      for row in recipes.rows()
  ]


def check_published(section):
  assert set(section) == set(config_lib.default().published)
  assert section.rule in RULES and section.last in (0, 5, 10, 20)
  assert bool(section.source) == bool(section.top1)
  assert not (section.beside and section.top1)
  for length, number in section.top1.items():
    assert re.fullmatch(r"\d+ (epochs|steps)", length) and 10 < number < 100


def check_parts(config):
  """That network, mixer, loss and Mix Block exist with their options."""
  models.create(num_classes=10, **config.model)
  specs = config.mix.get("mixers", (config.mix,))
  known = mixers.MIXERS | mixers.COMBINATORS | mixers.LEARNED
  for spec in specs:
    # A run to learn from is no option of the mixer.
    spec = {key: spec[key] for key in spec if key != "workdir"}
    assert set(spec) - {"name"} <= set(mixers.options_of(known[spec["name"]]))
  names.configure("loss", losses.LOSSES, config.loss)
  if config.method.name == "automix":
    models.create_mix_block(**config.method.mix_block)


def test_every_recipe_is_whole():
  default, seen = config_lib.default(), set()
  for row, config, smoke in everything():
    assert isinstance(config, ml_collections.ConfigDict), row.argument
    assert set(config) == set(smoke) == set(default), row.argument
    assert set(config.data) == set(default.data), row.argument
    assert row.argument not in seen
    seen.add(row.argument)
    assert re.fullmatch(r"\d+ (epochs|steps)", config.total)
    check_published(config.published)
    for each in (config, smoke):
      check_parts(each)


def test_every_smoke_is_a_few_steps_of_the_same_recipe():
  for row, config, smoke in everything():
    for key in ("mix", "loss", "optimizer"):
      for option, value in config[key].items():
        # The stages of a tiny network are fewer.
        if option not in ("mixers", "stages"):
          assert smoke[key][option] == value, row.argument
    steps, unit = smoke.total.split()
    assert unit == "steps" and int(steps) <= 20 and not smoke.pretrained
    name = smoke.data.name.split("/")[0]
    assert name in ("mock", "digits", "digits_domains") or row.mixer == "mix_block"
    assert smoke.batch_size <= 32


def test_rows_agree_with_the_configurations():
  for row, config, _ in everything():
    number, rule, last = recipes.published(config)
    # A semi-supervised recipe goes by its method.
    named = config.data.labels or row.network == config.model.name
    assert named and row.length == config.total
    assert row.number == number and row.source == config.published.source
    assert row.rule == recipes.rule_in_words(rule, last)
    assert "; ".join(row.notes) == config.published.note
    assert row.beside == config.published.beside
    # MixMatch mixes without being asked.
    if row.mixer in mixers.MIXERS and row.mixer != "identity":
      specs = (config.mix, *config.mix.get("mixers", ()))
      assert row.mixer in [spec["name"] for spec in specs]


# PreActResNets are there for MixupE.
IMAGES = (
    "cifar10", "tiny_imagenet", "imagenet", "cub200", "aircraft", "cars",
)


def test_every_backbone_has_automix_and_samix():
  for flavour in ("automix", "samix"):
    rows = [r for r in recipes.rows() if r.argument.startswith(IMAGES)]
    rows = [r for r in rows if r.length.endswith("epochs")]
    rows = [r for r in rows if not r.network.startswith("preact")]
    everywhere = {(r.argument.split(":")[0], r.network) for r in rows}
    found = {
        (r.argument.split(":")[0], r.network)
        for r in rows if r.mixer == flavour
    }
    assert everywhere == found


BENCHMARK = {
    "identity", "mixup", "cutmix", "manifold_mixup", "smoothmix", "saliencymix",
    "attentivemix", "fmix", "gridmix", "puzzlemix", "comixup", "resizemix",
    "alignmix", "automix", "samix",
}


@pytest.mark.parametrize("dataset, network, lacking", (
    ("cifar100", "resnet18", set()),
    ("cifar100", "resnext50_32x4d", set()),
    ("cifar100", "wide_resnet28_8", {"alignmix"}),
    ("cifar10", "resnet18", {"comixup"}),
    ("cifar10", "resnext50_32x4d", {"comixup"}),
    ("tiny_imagenet", "resnet18", set()),
    ("tiny_imagenet", "resnext50_32x4d", set()),
    ("imagenet", "resnet18", {"smoothmix"}),
    ("imagenet", "resnet50", {"smoothmix"}),
))
def test_a_network_has_all_mixers_of_the_benchmark(dataset, network, lacking):
  found = {r.mixer for r in recipes.rows(dataset) if r.network == network}
  assert found - {"adautomix", "mix_block", "mixup_cutmix"} == BENCHMARK - lacking


def test_deit_has_the_mixers_of_vision_transformers():
  for dataset, tokens in (
      ("cifar100", {"transmix", "smmix"}),
      ("imagenet", {"transmix", "tokenmix", "smmix", "mixpro"}),
  ):
    rows = recipes.rows(dataset)
    assert tokens <= {r.mixer for r in rows if r.network == "deit_small"}


def test_digits_try_every_mixer_with_and_without_dm():
  found = {r.argument for r in recipes.rows("digits")}
  for mixer in mixers.MIXERS:
    network = next(
        n for n in ("resnet8", "deit_tiny")
        if f"digits:{n},{mixer},dm" in found
    )
    baseline = mixer == "identity"
    plain = f"digits:{network}" + ("" if baseline else f",{mixer}")
    assert plain in found


def test_two_configurations_share_no_section():
  first = recipes.load("cifar100:resnet18,automix")
  first.method.momentum = 0.5
  first.method.groups.mix_block.lr = 1.0
  again = recipes.load("cifar100:resnet18,automix")
  assert again.method.momentum == 0.999
  assert again.method.groups.mix_block.to_dict() == {}
  choice = words.parse("resnet18,cutmix", cifar100.SUITE)
  publications.section(choice)["top1"].clear()
  assert publications.section(choice)["top1"]

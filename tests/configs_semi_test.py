"""Semi-supervised recipes: published settings, written here by hand."""

import pytest

from dmjax import recipes
from tests.configs_test import check

METHODS = (
    "supervised", "pseudo_label", "ict", "mixmatch", "remixmatch", "fixmatch",
    "flexmatch", "freematch", "softmatch",
)


def test_fixmatch_on_cifar10():
  check(
      "cifar10:fixmatch,250", total="1048576 steps", batch_size=64,
      model={"name": "wide_resnet28_2", "dtype": "float32"},
      mix={"name": "identity"}, data__labels="25 per class",
      data__crop_mode="reflect", data__crop_padding=4, data__flip=True,
      method={"name": "fixmatch", "threshold": {"name": "fixed"}},
      unlabelled={
          "split": "train", "ratio": 7, "auto_augment": "fixmatch-n3",
          "cutout": 0.5,
      },
      optimizer={
          "name": "sgd", "lr": 0.03, "momentum": 0.9, "nesterov": True,
          "weight_decay": 5e-4, "decay_all": False, "clip_norm": 0.0,
      },
      schedule__name="cosine_7_16", schedule__per_epoch=False,
      schedule__warmup="0 steps",
  )
  check(
      "cifar100:fixmatch,400", model__name="wide_resnet28_8",
      optimizer__weight_decay=1e-3, data__labels="4 per class",
  )
  check("svhn:fixmatch,1000", data__flip=False, data__name="svhn_cropped")
  check("stl10:fixmatch,1000", unlabelled__split="unlabelled")


def test_decoupled_mixup_is_a_word_as_everywhere():
  check(
      "cifar10:fixmatch,250,cutmix,dm",
      mix={"name": "cutmix", "alpha": 1.0, "per_batch": False},
      loss__name="decoupled_cross_entropy", loss__eta=0.1,
  )
  check("cifar10:fixmatch,250,cutmix", loss__name="mixup_cross_entropy")
  check(
      "cifar10:mixmatch,250,mixup,dm", mix__alpha=0.5, unlabelled__ratio=1,
      method__name="mixmatch", method__weight=100.0,
  )
  check("cifar10:mixmatch,250", mix__name="mixup", mix__alpha=0.5)


def test_labels_alone_are_a_baseline_with_the_same_subset():
  check(
      "cifar10:supervised,250,mixup", method__name="supervised",
      data__labels="25 per class", unlabelled__split="",
      method__ema_decay=0.999,
  )


@pytest.mark.parametrize("argument, number", (
    ("cifar10:fixmatch,40", 92.53), ("cifar10:flexmatch,250", 95.02),
    ("cifar10:remixmatch,4000", 95.16), ("cifar10:softmatch,40", 94.94),
    ("cifar100:mixmatch,2500", 60.24), ("cifar100:freematch,400", 50.76),
    ("svhn:fixmatch,250", 97.98), ("stl10:flexmatch,40", 70.85),
    ("cub200:self_tuning,15", 64.36), ("cars:self_tuning,50", 89.76),
    ("aircraft:self_tuning,30", 79.63),
))
def test_numbers_are_those_published(argument, number):
  found, rule, last = recipes.published(recipes.load(argument))
  assert (found, rule, last) == (number, "best", 0)


def test_figures_of_another_network_say_so():
  note = recipes.load("cifar100:freematch,400").published.note
  assert "not comparable with WRN-28-8" in note
  check("cifar100:freematch,400", model__name="wide_resnet28_2")
  assert "WRN-37-2" in recipes.load("stl10:fixmatch,40").published.note


def test_self_tuning_starts_from_imagenet_with_a_share_of_the_labels():
  check(
      "cub200:self_tuning,15", data__labels="15 %", batch_size=24,
      pretrained="pretrained/resnet50.safetensors", model__name="resnet50",
      unlabelled__auto_augment="rand-m10-n2", total="27000 steps",
  )


def test_digits_have_a_short_recipe_of_every_method():
  for word, share in (("20", "2"), ("40", "4"), ("100", "10")):
    for method in (*METHODS, "self_tuning"):
      check(
          f"digits:{method},{word}", data__labels=f"{share} per class",
          total="600 steps", model__name="resnet8", batch_size=32,
      )

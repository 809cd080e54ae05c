"""The words of an argument: what they name, and what is said of wrong ones."""

import pytest

from dmjax import recipes
from dmjax.configs import cifar100
from dmjax.configs import cora
from dmjax.configs import cub200
from dmjax.configs import digits
from dmjax.configs import imagenet
from dmjax.configs import tiny_imagenet
from dmjax.configs import words


def test_words_come_in_any_order():
  expected = recipes.load("imagenet:resnet50,rsb_a3,mixup_cutmix,dm,smoke")
  for text in ("smoke,dm,mixup_cutmix,rsb_a3,resnet50",
               "dm, resnet50, smoke, rsb_a3, mixup_cutmix"):
    assert imagenet.get_config(text) == expected


def test_no_mixer_and_identity_are_the_baseline():
  assert cifar100.get_config("resnet18") == cifar100.get_config(
      "identity,resnet18"
  )
  assert cifar100.get_config("resnet18").mix.name == "identity"


def test_the_word_of_an_only_recipe_may_be_left_out():
  assert imagenet.get_config("resnext101_32x4d,mixup") == imagenet.get_config(
      "resnext101_32x4d,100ep,mixup"
  )


@pytest.mark.parametrize("argument, says", (
    ("resnet18,cutmux", "unknown word 'cutmux'.*did you mean 'cutmix'"),
    ("resnet18,smok", "did you mean 'smoke'"),
    ("resnet18,", "unknown word ''"),
    ("resnet18,cutmix,cutmix", "says 'cutmix' twice"),
    ("resnet18,dm,cutmix,dm", "says 'dm' twice"),
    ("deit_small,mixup,cutmix", "two mixers.*or write mixup_cutmix"),
    ("resnet18,fmix,cutmix", "two mixers, 'fmix' and 'cutmix'; keep one$"),
    ("resnet18,swin_tiny", "two networks"),
    ("cutmix,dm", "no network.*resnet18, .*write cifar100:resnet18,cutmix,dm"),
    ("resnet18,dm", "dm needs a mixer: write cifar100:resnet18,cutmix,dm"),
    ("resnet18,automix,dm", "automix has no DM form.*resnet18,automix$"),
    ("resnet18,identity,dm", "identity has no DM form: write cifar100:resnet"),
    ("swin_tiny,comixup", "no mixer comixup for swin_tiny; its mixers are id"),
))
def test_an_argument_that_names_nothing_says_what_to_write(argument, says):
  with pytest.raises(ValueError, match=says):
    cifar100.get_config(argument)


@pytest.mark.parametrize("argument, says", (
    ("resnet50,cutmix", "several recipes of resnet50, 100ep, 300ep, rsb_a3, "
                        "rsb_a2: write imagenet:resnet50,cutmix,100ep$"),
    ("resnet34,rsb_a3,mixup", "no recipe rsb_a3 of resnet34; it has 100ep, "),
    ("deit_small,100ep", "no recipe 100ep of deit_small; leave the word out"),
    ("resnet50,rsb_a3,rsb_a2", "two recipes"),
    ("resnet50,rsb_a3", "no baseline for resnet50 rsb_a3; its mixers are"
                        " mixup, cutmix, .*: write imagenet:resnet50,rsb_a3"),
    ("mobilenetv2,rsb_a3,gridmix", "no mixer gridmix for mobilenetv2 rsb_a3"),
    ("resnet9,100ep", "unknown word 'resnet9'.*did you mean 'resnet"),
))
def test_a_recipe_that_is_missing_says_what_to_write(argument, says):
  with pytest.raises(ValueError, match=says):
    imagenet.get_config(argument)


def test_attention_needs_the_transformer_of_digits():
  with pytest.raises(ValueError, match="no mixer transmix for resnet8"):
    digits.get_config("resnet8,transmix,dm")


def test_a_method_goes_with_any_mixer_and_with_mixup_if_none_is_said():
  config = digits.get_config("mixupe,dm,cutmix,resnet8")
  assert (config.method.name, config.mix.name) == ("mixupe", "cutmix")
  assert config.loss.name == "decoupled_cross_entropy"
  assert digits.get_config("resnet8,mixupe") == digits.get_config(
      "resnet8,mixup,mixupe"
  )
  assert cora.get_config("gcn,mixupe").mix.name == "manifold_mixup"


def test_a_method_keeps_what_the_recipe_says_of_all_methods():
  config = cora.get_config("gcn,mixupe")
  assert config.method.groups.head.weight_decay == 0
  guided = digits.get_config("resnet8,saliencymix,mixupe")
  assert guided.method.saliency == digits.get_config(
      "resnet8,saliencymix"
  ).method.saliency


def test_the_command_of_mixupe_is_that_of_its_authors():
  config = cifar100.get_config("preact_resnet50,mixupe")
  assert (config.batch_size, config.total) == (100, "800 epochs")
  assert (config.method.eta, config.method.tau) == (1e-3, 1.0)
  assert (config.mix.name, config.mix.alpha) == ("mixup", 2.0)
  assert config.mix.per_batch and config.optimizer.nesterov
  tiny = tiny_imagenet.get_config("preact_resnet18,mixupe")
  assert tiny.model.stem_stride == 2


@pytest.mark.parametrize("suite, argument, says", (
    (digits, "resnet8,mixupe,regmixup", "names two methods"),
    (digits, "resnet8,identity,mixupe", "needs a mixer such as mixup"),
    (digits, "deit_tiny,mixupe", "no mixupe for deit_tiny"),
    (cifar100, "resnet18,mixupe", "no mixupe for resnet18.*leave the word"),
))
def test_a_method_that_does_not_fit_says_what_would(suite, argument, says):
  with pytest.raises(ValueError, match=says):
    suite.get_config(argument)


def test_an_argument_is_read_back_as_the_choice_it_names():
  sets = cifar100, imagenet, cub200, digits, cora
  for suite in (dataset.SUITE for dataset in sets):
    for choice in words.choices(suite):
      assert words.parse(words.argument(suite, choice), suite) == choice

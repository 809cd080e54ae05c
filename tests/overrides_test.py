"""Changes to a configuration on the command line."""

import pytest

from dmjax import mixers
from dmjax import overrides
from dmjax import recipes
from dmjax.train import options

RECIPE = "cifar100:resnet18,cutmix,dm"


def apply(*arguments, recipe=RECIPE):
  """The changed configuration, and what was dropped."""
  arguments = [f"--config.{argument}" for argument in arguments]
  return overrides.apply(recipes.load(recipe), arguments)


def test_values_take_the_type_of_the_key():
  config, dropped = apply(
      "optimizer.lr=1", "batch_size=50", "data.flip=false",
      "data.crop_scale=(0.5, 1.0)", "total=20 epochs",
  )
  assert config.optimizer.lr == 1.0 and isinstance(config.optimizer.lr, float)
  assert (config.batch_size, config.data.flip) == (50, False)
  assert config.data.crop_scale == (0.5, 1.0) and config.total == "20 epochs"
  assert not dropped


@pytest.mark.parametrize(
    "argument,section,gone",
    (
        ("optimizer.name=adamw", "optimizer", {"momentum"}),
        ("mix.name=smoothmix", "mix", {"alpha"}),
        ("mix.name=identity", "mix", {"alpha", "per_batch"}),
        ("loss.name=mixup_cross_entropy", "loss", {"eta", "select", "power"}),
    ),
)
def test_options_that_the_new_one_lacks_go_and_are_named(argument, section, gone):
  before = set(recipes.load(RECIPE)[section])
  config, dropped = apply(argument)
  name = argument.split("=")[1]
  assert config[section].name == name and set(config[section]) == before - gone
  assert dropped == [
      f"{section}.{option}: {name} has no such option"
      for option in recipes.load(RECIPE)[section] if option in gone
  ]


def test_another_network_loses_the_options_it_does_not_have():
  config, dropped = apply(
      "model.name=mobilenetv2", recipe="imagenet:resnet50,rsb_a2,mixup"
  )
  assert set(config.model) == {"name", "dtype"}
  assert sorted(line.split(":")[0] for line in dropped) == [
      "model.drop_path", "model.stem"
  ]


def test_a_choice_of_mixers_becomes_one():
  config, _ = apply(
      "mix.name=cutmix", recipe="cifar100:deit_small,mixup_cutmix"
  )
  assert config.mix.to_dict() == {"name": "cutmix", "per_batch": True}


def test_the_order_of_arguments_does_not_matter():
  for arguments in (
      ("optimizer.name=adamw", "optimizer.b1=0.8"),
      ("optimizer.b1=0.8", "optimizer.name=adamw"),
  ):
    assert apply(*arguments)[0].optimizer.b1 == 0.8


@pytest.mark.parametrize(
    "argument,section,option,value",
    (
        ("model.widths=(4, 8, 16, 32)", "model", "widths", (4, 8, 16, 32)),
        ("model.drop_path=0.1", "model", "drop_path", 0.1),
        ("optimizer.nesterov=true", "optimizer", "nesterov", True),
        ("loss.label_smoothing=0.1", "loss", "label_smoothing", 0.1),
        ("mix.lam=0.3", "mix", "lam", 0.3),
        ("mix.partner=roll", "mix", "partner", "roll"),
    ),
)
def test_every_option_of_the_named_function_can_be_set(
    argument, section, option, value
):
  assert apply(argument)[0][section][option] == value


def test_what_is_published_is_not_of_another_network():
  recipe = "cifar100:resnet18,cutmix"
  assert recipes.published(apply(recipe=recipe)[0])[0] == 79.45
  longer, _ = apply("total=800 epochs", recipe=recipe)
  assert recipes.published(longer)[0] == 78.17
  other, _ = apply("model.name=resnet34", recipe=recipe)
  assert recipes.published(other)[0] is None


@pytest.mark.parametrize(
    "argument,message",
    (
        ("--seed=3", "unknown argument '--seed=3'"),
        ("--config.seed", "unknown argument '--config.seed'"),
        ("--config.mix.alhpa=1", "did you mean 'mix.alpha'"),
        ("--config.mix.saliency=1", "has no key 'mix.saliency'"),
        ("--config.mix.name=cutmx", "did you mean 'cutmix'"),
        ("--config.model.name=resnet9", "unknown model 'resnet9'"),
        ("--config.optimizer.name=sgdd", "did you mean 'sgd'"),
        ("--config.optimizer.lr=fast", "could not convert"),
    ),
)
def test_what_cannot_be_changed_is_named(argument, message):
  with pytest.raises(ValueError, match=message):
    overrides.apply(recipes.load(RECIPE), [argument])


@pytest.mark.parametrize("name", sorted(mixers.MIXERS))
def test_guidance_is_no_option_of_a_mixer(name):
  needs = mixers.guidance_of(mixers.MIXERS[name])
  known = options.options_of("mix", name)
  assert not (needs.before | needs.after | {"stage"}) & set(known)

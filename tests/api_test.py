"""The public functions keep the house style, checked by inspection."""

import inspect

import pytest

from dmjax import augment
from dmjax import losses
from dmjax import mixers

PUBLIC = [
    (module, name)
    for module in (augment, losses, mixers)
    for name in module.__all__
    if inspect.isfunction(getattr(module, name))
]


@pytest.mark.parametrize("module,name", PUBLIC)
def test_public_functions_keep_the_style(module, name):
  function = getattr(module, name)
  signature = inspect.signature(function)
  parameters = list(signature.parameters.values())
  assert signature.return_annotation is not signature.empty
  assert "rng" not in signature.parameters, "the key is called `key`"
  if "key" in signature.parameters:
    assert parameters[0].name == "key", "the key comes first"
  for parameter in parameters:
    optional = parameter.default is not parameter.empty
    if optional:
      assert parameter.kind is parameter.KEYWORD_ONLY, parameter.name
  doc = inspect.getdoc(function)
  assert doc and "Returns:" in doc and "Args:" in doc


@pytest.mark.parametrize("name", sorted(mixers.MIXERS))
def test_every_option_of_a_mixer_is_documented(name):
  doc = inspect.getdoc(mixers.MIXERS[name])
  for option in mixers.options_of(mixers.MIXERS[name]):
    assert f"{option}:" in doc, f"{name} does not document {option}"


@pytest.mark.parametrize("name", sorted(mixers.MIXERS))
def test_a_mixer_is_registered_under_its_name(name):
  assert mixers.MIXERS[name].__name__ == name
  assert getattr(mixers, name) is mixers.MIXERS[name]

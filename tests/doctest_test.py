"""The examples of docstrings run, and print what they say."""

import doctest
import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import augment
from dmjax import losses
from dmjax import mixers
from dmjax.mixers import saliency

# What a reader of an example has imported.
NAMES = {
    "augment": augment, "functools": functools, "jax": jax, "jnp": jnp,
    "losses": losses, "mixers": mixers, "np": np,
}
PUBLIC = {
    f"{module.__name__}.{name}": getattr(module, name)
    for module in (augment, losses, mixers, saliency)
    for name in module.__all__
    if inspect.isfunction(getattr(module, name))
}


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_the_example_prints_what_it_says(name):
  function = PUBLIC[name]
  parser, printed = doctest.DocTestParser(), []
  example = parser.get_doctest(
      inspect.getdoc(function), dict(NAMES), name, None, None
  )
  assert example.examples, f"{name} has no example"
  runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
  assert not runner.run(example, out=printed.append).failed, "".join(printed)

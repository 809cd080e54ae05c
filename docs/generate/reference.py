"""A page of reference for each package that people import."""

import inspect
import pathlib

import dmjax
from dmjax import augment
from dmjax import losses
from dmjax import methods
from dmjax import mixers
from dmjax import models
from dmjax.mixers import saliency
from generate import markdown

PACKAGES = (losses, mixers, saliency, augment, methods, models)
_WHERE = """\
Examples assume `import jax`, `import jax.numpy as jnp`, `import numpy as np`,
`import functools` and `from dmjax import augment, losses, mixers`. They are run
by the tests.
"""


def write(out: pathlib.Path) -> None:
  """Writes a page for each package, and one that lists them."""
  folder = out / "reference"
  folder.mkdir()
  for package in PACKAGES:
    name = package.__name__.removeprefix("dmjax.")
    (folder / f"{name}.md").write_text(page(package, name))
  listed = "\n".join(p.__name__.removeprefix("dmjax.") for p in PACKAGES)
  load = markdown.functions("dmjax", [("function", "load")])
  assert inspect.isfunction(dmjax.load)
  (folder / "index.md").write_text(
      f"# Reference\n\n```{{toctree}}\n{listed}\n```\n\n{_WHERE}\n{load}"
  )


def page(package, name: str) -> str:
  """The docstring of a package and those of all that is public in it."""
  public = [
      (kind_of(getattr(package, entry)), entry) for entry in names_of(package)
  ]
  shown = [(kind, entry) for kind, entry in public if kind]
  constants = [entry for kind, entry in public if not kind]
  text = f"# `{name}`\n\n"
  text += f"```{{eval-rst}}\n.. automodule:: {package.__name__}\n```\n\n"
  if constants:
    text += f"Tables and constants: {', '.join(f'`{c}`' for c in constants)}.\n\n"
  return text + markdown.functions(package.__name__, shown)


def names_of(package) -> list[str]:
  """The public names that are no modules, functions first."""
  names = [n for n in package.__all__ if not inspect.ismodule(getattr(package, n))]
  return sorted(names, key=lambda n: (inspect.isclass(getattr(package, n)), n))


def kind_of(value) -> str:
  """What autodoc calls it: `function`, `class`, or "" for data."""
  if inspect.isclass(value):
    return "class"
  return "function" if callable(value) else ""

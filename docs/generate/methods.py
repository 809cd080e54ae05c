"""The methods, of their registry."""

import inspect
import pathlib

from dmjax.train import options
import docstrings
from generate import markdown

_HEAD = """\
# Methods

What is optimised. `--config.method.name=NAME` names one, a word of a recipe
changes the rest with it, and in code it is a function of `dmjax.methods` over
one `TrainState`; see [the reference](reference/methods.md).

"""
_WRAPPERS = """
## Around any method

"""


def write(out: pathlib.Path) -> None:
  """Writes the page."""
  tables = [_HEAD, table("method")]
  if "wrap" in options.SECTIONS:
    tables += [_WRAPPERS, table("wrap")]
  (out / "methods.md").write_text("\n".join(tables) + "\n")


def table(section: str) -> str:
  """What a section of a configuration can name, with papers and options."""
  rows = []
  for name, function in sorted(options.named(section).items()):
    doc = inspect.getdoc(getattr(function, "func", function)) or ""
    known = ", ".join(f"`{key}`" for key in options.options_of(section, name))
    papers = markdown.papers(docstrings.papers(doc))
    rows.append((f"`{name}`", docstrings.summary(doc), papers, known))
  return markdown.table(("name", "what it is", "paper", "options"), rows)

"""The recipes that have a published number, of their registry."""

import pathlib
import re

from dmjax import recipes
from generate import markdown

_HEAD = """\
# Recipes with published numbers

`dmjax train --config RECIPE --workdir DIR` trains one, and ends with its own
number beside the published one, taken by the same rule. Numbers are top-1 in
percent of others, not ours; what was measured here is on
[its own pages](measured/README.md). `dmjax recipes DATASET` also lists those
without a number: the DM form of each, other mixers, lengths of one's own.

"""


def write(out: pathlib.Path) -> None:
  """Writes a page with a section for each dataset."""
  sections = [section(name) for name in recipes.DATASETS]
  (out / "recipes.md").write_text(_HEAD + "\n\n".join(sections) + "\n")


def section(dataset: str) -> str:
  """The recipes of a dataset, and the notes that they refer to."""
  rows = recipes.rows(dataset)
  known = [row for row in rows if row.number is not None]
  head = f"## {dataset}\n\n{len(rows)} recipes, "
  if not known:
    return head + "none with a published number."
  notes = list(dict.fromkeys(note for row in known for note in row.notes))
  lines = [
      (f"`{row.argument}`", row.length, f"{row.number:.2f}", row.rule,
       _linked(row.source), ", ".join(str(1 + notes.index(n)) for n in row.notes))
      for row in known
  ]
  table = markdown.table(
      ("recipe", "length", "top-1", "rule", "source", "notes"), lines
  )
  listed = "\n".join(f"{i}. {_code(note)}" for i, note in enumerate(notes, 1))
  return f"{head}{len(known)} with a published number.\n\n{table}\n\n{listed}"


def _linked(source):
  return re.sub(
      r"arXiv (\d{4}\.\d{5})", r"[arXiv \1](https://arxiv.org/abs/\1)", source
  )


def _code(note):
  """Flags as code: two dashes would become one."""
  return re.sub(r"(--\S+)", r"`\1`", note)

"""The probes, of their registry."""

import pathlib

from dmjax.evaluate import probes
from generate import markdown

_HEAD = """\
# Probes

What a trained network has learned: `dmjax probe --workdir runs/a --probes
clean,pgd --against runs/b`. A probe does to each row what does not depend on
the others, so two runs are compared row by row.

"""


def write(out: pathlib.Path) -> None:
  """Writes the page."""
  rows = [
      (f"`{name}`", probe.about, ", ".join(probe.kinds) or "any", probe.metric)
      for name, probe in probes.PROBES.items()
  ]
  head = ("probe", "tells", "input", "compared by")
  (out / "probes.md").write_text(_HEAD + markdown.table(head, rows) + "\n")

"""Pages that are made of the registries, of measurements and of examples."""

import pathlib
import shutil

from generate import edges
from generate import examples
from generate import gallery
from generate import measured
from generate import methods
from generate import probes
from generate import recipes
from generate import reference

# What writes pages, each into a folder of its own or into one file.
PAGES = (
    reference, edges, methods, probes, recipes, measured, examples, gallery,
)


def write(out: pathlib.Path) -> None:
  """Writes every page.

  Args:
    out: A folder, which is emptied first.
  """
  shutil.rmtree(out, ignore_errors=True)
  out.mkdir(parents=True)
  for page in PAGES:
    page.write(out)

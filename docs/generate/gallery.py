"""The gallery of mixers: a picture, the equation, cost and paper of each."""

import csv
import inspect
import pathlib

from dmjax import mixers
import docstrings
from generate import markdown
from generate import pictures

COSTS = pathlib.Path(__file__).parents[2] / "experiments"
_HEAD = """\
# Gallery of mixers

Every mixer on the same three pairs of photographs, for lambda 0.3, 0.5 and 0.7
where it has one: the image, its partner, their mix with the weights of its
label, and the mask, the share of the image in each pixel. Guided mixers are
given maps that need no network. Times are medians of the compiled mixer alone,
and their share of a ResNet-18 step, as [measured](measured/README.md); guidance
is not counted. *Photographs by danielbuechele and vultilion, CC BY 2.0, from
scikit-learn.*

"""


def write(out: pathlib.Path) -> None:
  """Writes the page and its pictures."""
  folder, costs = out / "gallery", measured_costs()
  folder.mkdir()
  for name in mixers.MIXERS:
    pictures.draw(name, folder / f"{name}.png")
  entries = [entry(name, costs, folder) for name in mixers.MIXERS]
  others = [_text(n, f) for n, f in (mixers.COMBINATORS | mixers.LEARNED).items()]
  text = _HEAD + "\n".join(entries) + "\n# Made of other mixers, or learned\n\n"
  (out / "gallery.md").write_text(text + "\n".join(others))


def entry(name: str, costs, folder: pathlib.Path) -> str:
  """The section of a mixer."""
  picture = f"![{name}](gallery/{name}.png)\n\n"
  text = _text(name, mixers.MIXERS[name])
  shown = picture if (folder / f"{name}.png").exists() else ""
  return text + shown + _facts(name, costs.get(name, []))


def _text(name, function):
  doc = inspect.getdoc(function) or ""
  equation = docstrings.equation(doc)
  block = f"```text\n{equation}\n```\n\n" if equation else ""
  papers = markdown.papers(docstrings.papers(doc))
  papers = papers or ", ".join(f"<{link}>" for link in docstrings.links(doc))
  said = f"Paper: {papers}.\n\n" if papers else ""
  options = f"Options: {{py:func}}`dmjax.mixers.{name}`.\n\n"
  return f"## {name}\n\n{docstrings.summary(doc)}.\n\n{block}{said}{options}"


def _facts(name, costs):
  needs = mixers.guidance_of(mixers.MIXERS[name])
  before, after = (
      ", ".join(f"`{n}`" for n in sorted(names))
      for names in (needs.before, needs.after)
  )
  facts = [
      f"Needs {before}." if before else "",
      f"Needs {after} of the mixed batch." if after else "",
      "Mixes inside the network." if needs.hidden else "",
      f"Measured: {'; '.join(costs)}." if costs else "",
  ]
  return " ".join(filter(None, facts)) + "\n"


def measured_costs() -> dict[str, list[str]]:
  """Of each mixer its times, from the tables of `experiments/mixer_cost*`."""
  found = {}
  for path in sorted(COSTS.glob("mixer_cost*/**/*.csv")):
    for row in csv.DictReader(path.read_text().splitlines()):
      if {"mixer", "median_ms", "percent_of_step"} <= row.keys():
        found.setdefault(row["mixer"], []).append(_cost(row))
  return found


def _cost(row):
  return (
      f"{float(row['median_ms']):.3g} ms for {row['batch']} images of"
      f" {row['pixels']} px ({float(row['percent_of_step']):.2g} % of a step)"
  )

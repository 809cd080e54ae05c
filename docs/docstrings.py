"""Docstrings as Sphinx wants them: what is indented by four is code.

Docstrings are written to be read as they stand: equations are indented, and
tables may be Markdown's. Google's sections indent by two, so the two differ.
"""

from collections.abc import Sequence
import re


def process(app, what, name, obj, options, lines: list[str]) -> None:
  """Changes the lines of a docstring in place; called by autodoc."""
  del app, what, name, obj, options
  lines[:] = _tables(_literal([_escaped(line) for line in lines]))


def equation(docstring: str) -> str:
  """The first block of a docstring that is indented by four; "" for none."""
  block = []
  for line in docstring.split("Args:")[0].splitlines():
    if line.startswith("    ") or (block and not line.strip()):
      block.append(line[4:])
    elif block:
      break
  return "\n".join(block).strip("\n")


def papers(docstring: str) -> list[str]:
  """The arXiv numbers of the first paragraph: others are of something else."""
  first = docstring.split("\n\n")[0]
  return list(dict.fromkeys(re.findall(r"\b\d{4}\.\d{5}\b", first)))


def links(docstring: str) -> list[str]:
  """What it points to on the web."""
  return re.findall(r"https://[\w./-]*\w", docstring)


def summary(docstring: str) -> str:
  """The first line, without its full stop."""
  return docstring.split("\n")[0].rstrip(".")


def _escaped(line):
  """Bars mean substitutions to Sphinx; they do in no docstring."""
  if line.startswith(("|", "    ")) or line.lstrip().startswith(">>>"):
    return line
  parts = line.split("`")
  parts[::2] = [part.replace("|", r"\|") for part in parts[::2]]
  return "`".join(parts)


def _literal(lines: Sequence[str]) -> list[str]:
  """Puts `::` before blocks that are indented by four."""
  found, inside = [], False
  for line in lines:
    starts = line.startswith("    ") and _after_text(found)
    if starts and not inside:
      found += ["::", ""]
      inside = True
    elif line and not line.startswith("  "):
      inside = False
    found.append(line)
  return found


def _after_text(found):
  """Whether an empty line follows one that is not indented."""
  said = [line for line in found if line.strip()]
  return bool(found and not found[-1].strip() and said
              and not said[-1].startswith(" "))


def _tables(lines: Sequence[str]) -> list[str]:
  """Markdown's tables as list tables."""
  found = []
  for line in lines:
    if not line.startswith("|"):
      found.append(line)
    elif not re.fullmatch(r"[|\s:-]+", line):
      if not (found and found[-1].startswith("   ")):
        found += [".. list-table::", "   :header-rows: 1", ""]
      cells = [cell.strip() for cell in line.strip("|").split("|")]
      found += [
          f"   {'  ' if i else '* '}- {cell}" for i, cell in enumerate(cells)
      ]
  return found

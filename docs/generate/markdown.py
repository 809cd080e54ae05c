"""Markdown: tables, links to papers."""

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
  """A table; bars inside of cells are escaped."""
  lines = [head, ["---"] * len(head), *rows]
  return "\n".join(
      "| " + " | ".join(str(c).replace("|", r"\|") for c in line) + " |"
      for line in lines
  )


def papers(numbers: Iterable[str]) -> str:
  """Links to arXiv."""
  return ", ".join(
      f"[{number}](https://arxiv.org/abs/{number})" for number in numbers
  )


def functions(module: str, names: Iterable[str]) -> str:
  """What autodoc says of functions, classes or data of a module."""
  lines = [
      f".. auto{kind}:: {module}.{name}\n" for kind, name in names
  ]
  return "```{eval-rst}\n" + "\n".join(lines) + "```\n"

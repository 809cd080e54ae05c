"""The examples of `experiments/examples/`, scripts and notebooks, as pages."""

import ast
import json
import pathlib

EXAMPLES = pathlib.Path(__file__).parents[2] / "experiments" / "examples"
_HEAD = "# Examples\n\nWhole programs, which the tests run.\n"


def write(out: pathlib.Path) -> None:
  """Writes a page for each, and one that lists them."""
  folder, pages = out / "examples", {}
  for path in sorted(EXAMPLES.glob("*")):
    if path.suffix in _READERS and not path.stem.startswith("_"):
      pages[path.stem] = _READERS[path.suffix](path)
  folder.mkdir()
  for name, text in pages.items():
    (folder / f"{name}.md").write_text(text)
  listed = "\n".join(pages)
  toctree = f"\n```{{toctree}}\n:maxdepth: 1\n\n{listed}\n```\n" * bool(pages)
  (folder / "index.md").write_text(_HEAD + toctree)


def _script(path):
  """A page of a script: its docstring, then all of it."""
  code = path.read_text()
  doc = (ast.get_docstring(ast.parse(code)) or path.stem).split("\n")[0]
  return f"# {doc.rstrip('.')}\n\n`{path.name}`\n\n````python\n{code}````\n"


def _notebook(path):
  """The cells of a notebook, with what they print and draw left out."""
  cells = json.loads(path.read_text())["cells"]
  texts = [("".join(c["source"]), c["cell_type"]) for c in cells]
  return "\n\n".join(
      text if kind == "markdown" else f"````python\n{text}\n````"
      for text, kind in texts
  ) + "\n"


_READERS = {".py": _script, ".ipynb": _notebook}

"""The pages: their code runs, they build, and they know every mixer."""

import inspect
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from dmjax import losses
from dmjax import mixers

ROOT = pathlib.Path(__file__).parents[1]
DOCS = ROOT / "docs"
WRITTEN = [path for path in sorted(DOCS.glob("*.md"))
           if "```python" in path.read_text()]

sys.path.insert(0, str(DOCS))
import docstrings  # noqa: E402


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.stem)
def test_the_code_of_a_page_runs(path):
  names = {}
  for block in re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL):
    exec(block, names)


@pytest.mark.parametrize("name", sorted(mixers.MIXERS.keys() - {"identity"}))
def test_a_mixer_has_its_equation_and_origin_in_its_docstring(name):
  doc = inspect.getdoc(mixers.MIXERS[name])
  assert docstrings.equation(doc), name
  origin = r"\d{4}\.\d{5}|https://|(19|20)\d\d"
  assert re.search(origin, doc.split("Args:")[0]), name


@pytest.mark.parametrize("name", sorted(losses.LOSSES))
def test_a_loss_has_its_equation_and_paper_in_its_docstring(name):
  doc = inspect.getdoc(losses.LOSSES[name])
  assert docstrings.equation(doc) and docstrings.papers(doc), name


def test_equations_become_code_and_tables_become_tables():
  lines = ["Adds.", "", "    a + b", "", "| a | b |", "|---|---|", "| 1 | 2 |"]
  docstrings.process(None, None, None, None, None, lines)
  assert lines == [
      "Adds.", "", "::", "", "    a + b", "", ".. list-table::",
      "   :header-rows: 1", "", "   * - a", "     - b", "   * - 1", "     - 2",
  ]


def test_the_pages_build_without_a_warning(tmp_path):
  pytest.importorskip("sphinx", reason="sphinx builds the pages: make docs")
  pytest.importorskip("myst_parser", reason="as make docs installs it")
  pytest.importorskip("furo", reason="as make docs installs it")
  source = tmp_path / "docs"
  shutil.copytree(DOCS, source, ignore=shutil.ignore_patterns("generated"))
  for name in ("CHANGELOG.md", "CONTRIBUTING.md", "configs", "dmjax",
               "examples", "experiments"):
    if (ROOT / name).exists():
      (tmp_path / name).symlink_to(ROOT / name)
  out = tmp_path / "out"
  command = [sys.executable, "-m", "sphinx", "-W", "-q", str(source), str(out)]
  subprocess.run(command, check=True)
  gallery = (out / "generated" / "gallery.html").read_text()
  for name in mixers.MIXERS:
    assert f"{name}.png" in gallery

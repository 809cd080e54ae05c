"""The style that `make lint` asks for."""

import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
RUFF = shutil.which("ruff", path=str(pathlib.Path(sys.executable).parent))


@pytest.mark.skipif(not RUFF, reason="ruff is not installed")
def test_style_docstrings_and_names_are_as_agreed():
  command = [RUFF, "check", "--no-cache", "--output-format", "concise", "."]
  found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
  assert not found.returncode, found.stdout + found.stderr

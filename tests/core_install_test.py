"""What a core installation brings, and what it says of the rest."""

import ast
import importlib.metadata
import importlib.util
import pathlib
import subprocess
import sys
import tomllib

import pytest

import dmjax
from dmjax import __main__ as command

ROOT = pathlib.Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

# Refuses whatever the training system needs beside JAX and NumPy.
BLOCKED = """
import sys

class Refuse:
  def find_spec(self, name, path=None, target=None):
    if name.split(".")[0] in {names!r}:
      raise ModuleNotFoundError(f"{{name}} is no part of a core installation")

sys.meta_path.insert(0, Refuse())
"""
IMPORTED = """
import dmjax
import dmjax.augment
import dmjax.losses
import dmjax.mixers.saliency
ours = {m.split(".")[1] for m in sys.modules if m.startswith("dmjax.")}
assert ours == {"augment", "losses", "mixers"}, ours
try:
  import flax
except ModuleNotFoundError:
  sys.exit(0)
sys.exit("nothing was blocked")
"""


def name_of(requirement):
  """`flax>=0.12` -> `flax`, as distributions are compared."""
  for mark in "[<>=;":
    requirement = requirement.split(mark)[0]
  return requirement.strip().lower().replace("_", "-")


def test_losses_mixers_and_augment_need_jax_alone():
  code = BLOCKED.format(names=set(command.TRAIN)) + IMPORTED
  subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_the_losses_loads_nothing_heavier_than_jax():
  code = "import sys, dmjax.losses; print(*sys.modules)"
  found = subprocess.run(
      [sys.executable, "-c", code], check=True, capture_output=True, text=True
  )
  loaded = {name.split(".")[0] for name in found.stdout.split()}
  # JAX itself takes flatbuffers where they are.
  heavier = {*command.TRAIN} - {"flatbuffers"}
  assert not loaded & (heavier | {"chex", "scipy", "tensorflow", "torch"})


def test_a_core_installation_is_jax_and_numpy():
  core = [name_of(line) for line in PROJECT["dependencies"]]
  assert core == ["jax", "numpy"]
  assert PROJECT["scripts"] == {"dmjax": "dmjax.__main__:main"}


def test_the_train_extra_installs_what_the_command_looks_for():
  wanted = PROJECT["optional-dependencies"]["train"]
  names = importlib.metadata.packages_distributions()
  for module in command.TRAIN:
    provided = {name_of(name) for name in names[module]}
    assert provided & set(map(name_of, wanted)), module
  assert len(wanted) == len(command.TRAIN)


def test_all_that_the_package_imports_is_installed():
  known = {"dmjax", "jax", "numpy", *command.TRAIN, *sys.stdlib_module_names}
  for path in (ROOT / "dmjax").rglob("*.py"):
    for node in ast.walk(ast.parse(path.read_text())):
      modules = []
      if isinstance(node, ast.Import):
        modules = [alias.name for alias in node.names]
      elif isinstance(node, ast.ImportFrom) and not node.level:
        modules = [node.module]
      unknown = {m.split(".")[0] for m in modules} - known
      assert not unknown, f"{path} imports {unknown}"


def test_the_command_says_what_it_needs_and_how_to_get_it(monkeypatch, capsys):
  find = importlib.util.find_spec
  monkeypatch.setattr(
      importlib.util, "find_spec",
      lambda name: None if name in ("flax", "tqdm") else find(name),
  )
  assert command.main() == 2
  out, error = capsys.readouterr()
  assert not out and error == (
      "dmjax: the command line also needs flax, tqdm;"
      " pip install 'dmjax[train]'\n"
  )


def test_a_core_installation_knows_its_version(monkeypatch, capsys):
  monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
  monkeypatch.setattr(sys, "argv", ["dmjax", "--version"])
  assert command.main() == 0
  assert capsys.readouterr().out == f"dmjax {dmjax.__version__}\n"


def test_with_the_extra_the_command_runs(monkeypatch, capsys):
  monkeypatch.setattr(sys, "argv", ["dmjax", "recipes", "digits", "--names"])
  assert command.main() == 0
  assert "digits:" in capsys.readouterr().out
  monkeypatch.setattr(sys, "argv", ["dmjax", "--help"])
  with pytest.raises(SystemExit, match="0"):
    command.main()

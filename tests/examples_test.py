"""The examples of other libraries learn, and the notebook runs."""

import importlib
import importlib.util
import json
import pathlib

import numpy as np
import pytest

FOLDER = pathlib.Path(__file__).parents[1] / "experiments" / "examples"
# What an example needs beside JAX and scikit-learn.
NEEDS = {"equinox": "equinox", "haiku": "haiku", "keras": "keras"}
LIBRARIES = sorted(
    path.stem.removeprefix("with_") for path in FOLDER.glob("with_*.py")
)


@pytest.fixture
def usual_promotion():
  """The tests forbid what other libraries do inside."""
  import jax  # pylint: disable=g-import-not-at-top

  with jax.numpy_rank_promotion("allow"):
    yield


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_loss_of_an_example_falls(library, usual_promotion, capsys):
  needed = NEEDS.get(library, "flax")
  if importlib.util.find_spec(needed) is None:
    pytest.skip(f"{needed} is not installed: pip install '.[examples]'")
  example = importlib.import_module(f"experiments.examples.with_{library}")
  history = np.array(example.main(steps=30), np.float32)
  third = len(history) // 3
  assert history[-third:].mean() < 0.9 * history[:third].mean()
  assert "% of new digits" in capsys.readouterr().out


def test_examples_are_short():
  for library in LIBRARIES:
    lines = (FOLDER / f"with_{library}.py").read_text().splitlines()
    assert len(lines) < 60 and max(map(len, lines)) <= 80, library


NOTEBOOK = FOLDER / "decoupled_mixup.ipynb"


def pictures_of(notebook):
  """How many pictures a notebook holds, of code that was run in its order."""
  code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
  assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
  outputs = [output for cell in code for output in cell["outputs"]]
  assert not [found for found in outputs if found["output_type"] == "error"]
  return sum("image/png" in found.get("data", ()) for found in outputs)


def test_the_notebook_is_stored_with_its_pictures():
  assert NOTEBOOK.stat().st_size < 300_000
  assert pictures_of(json.loads(NOTEBOOK.read_text())) >= 4


def test_the_notebook_runs(monkeypatch):
  nbclient = pytest.importorskip("nbclient")
  nbformat = pytest.importorskip("nbformat")
  pytest.importorskip("ipykernel")
  monkeypatch.delenv("MPLBACKEND")  # Its pictures are drawn inside it.
  notebook = nbformat.read(NOTEBOOK, as_version=4)
  stored = pictures_of(notebook)
  folder = {"metadata": {"path": str(FOLDER.parents[1])}}
  nbclient.NotebookClient(notebook, timeout=600, resources=folder).execute()
  assert pictures_of(notebook) == stored

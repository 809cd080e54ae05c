"""Probes of a run: exact for any batch, compared row by row, and refused."""

import json
import re

import numpy as np
import pytest

from dmjax import main
from dmjax.evaluate import probes
from dmjax.train import probing
from dmjax.train import run as run_lib
from tests import tiny_config

QUICK = ("clean", "fgsm", "shift")


@pytest.fixture(scope="module")
def trained(tiny_run):
  workdir, result = tiny_run
  return workdir, result.metrics


@pytest.fixture(scope="module")
def found(trained):
  """What the probes find, with two batch sizes."""
  by_size = []
  for batch_size in (70, 12):
    run, state = run_of(trained[0], batch_size)
    options = probes.Options(eps=(4,))
    cases = probing.check(QUICK, "image", options)
    by_size.append(probing.probe(run, state, cases, options))
  return by_size


def run_of(workdir, batch_size=32):
  config = tiny_config.get_config()
  config.evaluate.batch_size = batch_size
  run = run_lib.assemble(config)
  return run, run_lib.restore(run, workdir)


def probe(workdir, *arguments):
  return main.main(["probe", "--workdir", str(workdir), *map(str, arguments)])


def test_the_clean_probe_agrees_with_the_evaluation(trained, found):
  metrics = found[0]["clean"].metrics[0]
  for name in ("top1", "top5", "nll", "ece"):
    assert metrics[name] == pytest.approx(trained[1][name], abs=1e-5)


def test_outcomes_do_not_depend_on_the_batch_size(found):
  one, other = found
  for name in one:
    np.testing.assert_array_equal(one[name].labels, other[name].labels)
    for a, b in zip(one[name].outcomes, other[name].outcomes):
      np.testing.assert_array_equal(a["hit"], b["hit"])
      assert len(a["hit"]) == 70


def test_a_radius_of_zero_is_the_clean_test(found):
  first = found[0]["fgsm"].metrics[0]
  assert first["top1"] == found[0]["clean"].metrics[0]["top1"]


def test_a_limit_takes_some_of_the_rows(trained, found):
  run, state = run_of(trained[0])
  cases = probing.check(["clean"], "image", probes.Options())
  few = probing.probe(run, state, cases, probes.Options(), limit=20)["clean"]
  numbers = few.outcomes[0]["number"]
  assert len(numbers) == 20
  whole = found[0]["clean"].outcomes[0]
  np.testing.assert_array_equal(few.outcomes[0]["hit"], whole["hit"][numbers])


def test_the_command_writes_a_table_numbers_and_a_picture(
    trained, tmp_path, capsys
):
  options = ["--eps", "8", "--limit", "30", "--out", tmp_path]
  code = probe(
      trained[0], "--probes", "clean,fgsm", "--against", trained[0], *options
  )
  assert code == 0 and "fgsm" in capsys.readouterr().out
  text = json.loads((tmp_path / "probe.json").read_text())
  assert text["rows"] == 30
  of_run = text["runs"][str(trained[0])]
  assert [row["case"] for row in of_run["fgsm"]] == ["eps 0/255", "eps 8/255"]
  assert (tmp_path / "probe.png").stat().st_size > 5000


def test_outliers_become_as_large_and_grey_as_the_images(trained, tmp_path):
  """Noise of 40 px in colour, beside digits."""
  options = ["--probes", "ood", "--ood", "mock", "--out", tmp_path]
  assert probe(trained[0], *options) == 0
  found = json.loads((tmp_path / "probe.json").read_text())
  inside, outside = found["runs"][str(trained[0])]["ood"]
  assert inside["auroc_energy"] == 0.5 and 0 <= outside["auroc_energy"] <= 1


@pytest.mark.parametrize("arguments, says", (
    (("--probes", "ood", "--ood", "wine"), "'wine'.*kind 'image'.*'table'"),
    (("--probes", "ood", "--ood", "/nowhere"), "/nowhere"),
    (("--probes", "claen"), "unknown probe 'claen'.*'clean'"),
    (("--probes", "fgsm", "--eps", "-1"), "eps.*-1"),
    (("--probes", "fgsm", "--eps", "one"), "--eps must be numbers"),
    (("--probes", "pgd", "--steps", "0"), "steps must be at least 1"),
    (("--limit", "-2"), "--limit must be"),
    (("--probes", "corruptions", "--corrupted", "/nowhere"), "/nowhere"),
    (("--against", "/nowhere"), "/nowhere.*no run"),
))
def test_bad_input_is_named_before_anything_is_written(
    trained, tmp_path, capsys, arguments, says
):
  assert probe(trained[0], *arguments, "--out", tmp_path / "out") == 2
  assert re.search(says, capsys.readouterr().err)
  assert not (tmp_path / "out").exists()


def test_a_probe_of_images_is_refused_for_other_inputs():
  with pytest.raises(ValueError, match="'fgsm' is for inputs of kind image"):
    probing.check(["fgsm"], "table", probes.Options())
  fit = probing.check([], "table", probes.Options(kind="table"))
  assert set(fit) == {"clean", "mixed"}

"""The commands on a trained run: evaluate, predict, list, dry_run."""

import json
import pathlib
import shutil

import jax
import numpy as np
from PIL import Image
import pytest

import dmjax
from dmjax import main
from dmjax import mixers
from dmjax.commands import exits
from dmjax.train import checkpoint
from dmjax.train import loop
from dmjax.train import progress
from dmjax.train import run as run_lib
from tests import tiny_config

CONFIG = str(pathlib.Path(__file__).parent / "tiny_config.py")
pytestmark = pytest.mark.usefixtures("without_pictures")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
  """A short run on a folder of images, which is taken away afterwards."""
  root = tmp_path_factory.mktemp("images")
  rng = np.random.default_rng(0)
  for split in ("train", "test"):
    for value, name in ((40, "dark"), (215, "light")):
      (root / split / name).mkdir(parents=True)
      for i in range(16):
        pixels = value + rng.integers(-30, 30, size=(8, 8, 1), dtype=np.int16)
        picture = Image.fromarray(pixels[..., 0].astype(np.uint8))
        picture.save(root / split / name / f"{i}.png")
  config = tiny_config.get_config()
  config.data.update(name=str(root), train="train", test="test")
  config.update(batch_size=16, total="20 steps")
  config.evaluate.every = "10 steps"
  workdir = tmp_path_factory.mktemp("runs") / "a"
  loop.train(config, workdir)
  elsewhere = root.parent / f"{root.name}_moved"
  shutil.move(root, elsewhere)
  return workdir, elsewhere


def call(capsys, *arguments):
  """Exit code and standard output of a command."""
  capsys.readouterr()
  code = main.main([str(argument) for argument in arguments])
  return code, capsys.readouterr().out


def test_evaluate_reads_the_data_where_they_are_now(trained, capsys):
  workdir, root = trained
  there = f"--config.data.name={root}"
  code, out = call(capsys, "evaluate", "--workdir", workdir, "--json", there)
  assert code == exits.OK
  expected = [
      row for row in progress.read_metrics(workdir) if "test/top1" in row
  ][-1]
  assert json.loads(out)["nll"] == pytest.approx(expected["test/nll"], rel=1e-4)
  code, out = call(capsys, "evaluate", "--workdir", workdir, there)
  assert "clean top-1" in out


def test_evaluate_takes_a_step_or_the_best(trained, capsys):
  workdir, root = trained
  steps = checkpoint.steps_of(workdir)
  there = f"--config.data.name={root}"
  found = {}
  for step in steps:
    _, out = call(
        capsys, "evaluate", "--workdir", workdir, "--json", there, "--step", step
    )
    found[step] = json.loads(out)
  assert len({f["nll"] for f in found.values()}) == len(steps)
  _, out = call(capsys, "evaluate", "--workdir", workdir, "--json", there, "--best")
  assert json.loads(out) == found[checkpoint.best_step(workdir)]


def test_evaluation_pads_batches_that_devices_do_not_divide(trained, capsys):
  workdir, root = trained
  results = [
      call(capsys, "evaluate", "--workdir", workdir, "--json",
           f"--config.data.name={root}", f"--config.evaluate.batch_size={size}")
      for size in (32, 7)
  ]
  first, second = (json.loads(out) for _, out in results)
  assert first == pytest.approx(second, rel=1e-5)


def test_predict_needs_no_dataset_and_ranks_the_classes(trained, capsys, tmp_path):
  workdir, _ = trained
  for name, value in (("a", 40), ("b", 215)):
    Image.new("RGB", (30, 20), (value,) * 3).save(tmp_path / f"{name}.png")
  images = [tmp_path / "a.png", tmp_path / "b.png"]
  code, out = call(
      capsys, "predict", "--workdir", workdir, "--format", "json", *images
  )
  rows = [json.loads(line) for line in out.splitlines()]
  assert code == exits.OK
  assert [row["image"] for row in rows] == [str(path) for path in images]
  assert [max(r["classes"], key=r["classes"].get) for r in rows] == ["dark", "light"]
  assert all(sum(r["classes"].values()) == pytest.approx(1) for r in rows)
  _, out = call(capsys, "predict", "--workdir", workdir, "--top", 1, *images)
  assert [line.split()[1] for line in out.splitlines()] == ["dark", "light"]
  _, out = call(
      capsys, "predict", "--workdir", workdir, "--format", "csv", *images
  )
  assert len(out.splitlines()) == 1 + 2 * 2


def test_a_run_is_loaded_into_ones_own_code(trained):
  workdir, _ = trained
  run, state = dmjax.load(workdir)
  dark, light = (np.full((1, 8, 8, 1), v, np.float32) for v in (0.15, 0.85))
  assert run.sources["train"].class_names == ("dark", "light")
  predict = jax.jit(run.method.predict)
  assert predict(state, {"x": dark}).argmax() == 0
  assert predict(state, {"x": light}).argmax() == 1


@pytest.mark.parametrize("what", ("mixers", "losses", "models", "methods", "optimizers"))
def test_everything_that_can_be_named_is_listed_with_its_options(what, capsys):
  code, out = call(capsys, "list", what)
  assert code == exits.OK and "=" in out
  if what == "mixers":
    assert all(f"{name}:" in out for name in mixers.MIXERS)
    assert "alpha=1.0" in out


def test_recipes_are_listed(capsys):
  _, names = call(capsys, "recipes", "cifar100", "--names")
  assert "cifar100:resnet18,cutmix,dm" in names.splitlines()
  _, table = call(capsys, "list", "recipes")
  assert "published top-1" in table.splitlines()[0] and "79.45" in table


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(capsys, tmp_path):
  workdir = tmp_path / "run"
  code, out = call(
      capsys, "train", "--config", CONFIG, "--workdir", workdir, "--dry_run"
  )
  assert code == exits.OK and not workdir.exists()
  for said in ('"batch_size": 32', "parameters", "steps", "24, 6 an epoch"):
    assert said in out
  run = run_lib.assemble(tiny_config.get_config())
  assert f"train {run.sources['train'].size}" in out


@pytest.mark.parametrize("flag", ("--version", "--help"))
def test_the_program_introduces_itself(flag, capsys):
  with pytest.raises(SystemExit) as end:
    main.main([flag])
  assert end.value.code == 0
  assert "dmjax" in capsys.readouterr().out


def test_the_keys_of_a_configuration_are_in_the_help(capsys):
  with pytest.raises(SystemExit) as end:
    main.main(["train", "--help_config"])
  out = capsys.readouterr().out
  assert end.value.code == 0
  for key in tiny_config.get_config():
    assert f'"{key}"' in out


def test_measured_stands_beside_published(trained, capsys, tmp_path):
  config = tmp_path / "known.py"
  config.write_text(
      "from tests import tiny_config\n"
      "def get_config():\n"
      "  config = tiny_config.get_config()\n"
      "  config.published.update(\n"
      "      top1={'24 steps': 79.45}, rule='best', last=0, source='a table')\n"
      "  return config\n"
  )
  code, out = call(
      capsys, "train", "--config", config, "--workdir", tmp_path / "run"
  )
  line = [l for l in out.splitlines() if "best of the run" in l]
  assert code == exits.OK and "published 79.45%, a table" in line[0]


def test_another_optimizer_trains_without_the_options_it_lacks(capsys, tmp_path):
  code = main.main([
      "train", "--config", CONFIG, "--workdir", str(tmp_path / "run"),
      "--config.optimizer.name=adamw", "--config.total=1 steps",
  ])
  assert code == exits.OK
  assert "dropped optimizer.momentum: adamw has no such" in capsys.readouterr().err

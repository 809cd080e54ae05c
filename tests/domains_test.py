"""Every kind of input trains, resumes, evaluates and is drawn by one engine."""

import json
import pathlib
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dmjax
from dmjax import main
from dmjax import recipes
from dmjax.data import domains
from dmjax.data import sounds
from dmjax.data import texts
from dmjax.train import loop
from dmjax.train import preview
from dmjax.train import run as run_lib
from tests.train_test import assert_same_state

# The second trains with a memory of its own, the mean of the inputs.
SMOKES = {
    "table": "wine:mlp,mixup,mixupe,smoke",
    "sound": "spoken_digit:temporal_cnn,cutmix,dm,smoke",
    "graph": "cora:gcn,mixupe,smoke",
    "text": "sst2:text_cnn,sentencemixup,doublemix,dm,smoke",
}
CHANGES = {
    "table": {"method.variant": "absolute"},
    "sound": {"data.sound.shift": 0.1, "data.sound.band_mask": 4},
    "graph": {"method.variant": "absolute", "method.stage": 1},
    "text": {
        "data.text.vocabulary": 64, "data.text.max_length": 12,
        "model.vocabulary": 64, "model.width": 8, "model.kernels": (2,),
    },
}


def smoke(kind, **changes):
  config = recipes.load(SMOKES[kind])
  for key, value in (CHANGES[kind] | changes).items():
    *path, option = key.split(".")
    section = config
    for part in path:
      section = section[part]
    with section.unlocked():
      section[option] = value
  return config


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
  """A run of each kind, made when it is first asked for."""
  made = {}

  def run(kind):
    if kind not in made:
      workdir = tmp_path_factory.mktemp(kind)
      made[kind] = workdir, loop.train(smoke(kind), workdir)
    return made[kind]

  return run


@pytest.mark.parametrize("kind", SMOKES)
def test_a_run_of_each_kind_ends_with_its_pictures_and_metrics(runs, kind):
  workdir, result = runs(kind)
  assert result.finished and np.isfinite(list(result.metrics.values())).all()
  assert ("mixed_top1" in result.metrics) == (kind in ("table", "sound"))
  for name in ("mixed.png", "curves.png"):
    assert (workdir / name).stat().st_size > 5000


@pytest.mark.parametrize("kind", SMOKES)
def test_a_run_that_goes_on_ends_as_one_that_was_not_stopped(
    runs, kind, tmp_path
):
  other = shutil.copytree(runs(kind)[0], tmp_path / "run")
  shutil.rmtree(other / "checkpoints" / "4")
  result = loop.train(smoke(kind), other)
  assert result.metrics == runs(kind)[1].metrics
  assert_same_state(other, runs(kind)[0])


@pytest.mark.parametrize("kind", SMOKES)
def test_a_run_is_loaded_and_evaluated_without_its_training_data(runs, kind):
  workdir, result = runs(kind)
  run, state = dmjax.load(workdir)
  assert run.domain is domains.DOMAINS[kind]
  example = run.example["x"]
  logits = run.method.predict(state, {"x": example})
  assert logits.shape == (1, 10) and np.isfinite(logits).all()
  metrics = loop.evaluate(run.config, workdir)
  np.testing.assert_allclose(metrics["nll"], result.metrics["nll"], rtol=1e-5)


def test_a_run_named_by_a_relative_path_is_read_and_goes_on(
    runs, tmp_path, monkeypatch
):
  shutil.copytree(runs("table")[0], tmp_path / "run")
  monkeypatch.chdir(tmp_path)
  assert int(dmjax.load("run")[1].step) == 4
  result = loop.train(smoke("table"), pathlib.Path("run"))
  assert result.step == 4 and not pathlib.Path("run/damaged").exists()


def test_the_statistics_of_a_table_are_kept_with_the_run(runs):
  run, _ = dmjax.load(runs("table")[0])
  other = run_lib.assemble(smoke("table"))
  assert run.sources["train"].mean == other.sources["train"].mean


def test_the_mean_of_the_inputs_is_that_of_the_batches_seen(runs):
  run, state = dmjax.load(runs("table")[0])
  run = run_lib.assemble(run.config)
  data = run.training()
  stream = data.batches(run.config.batch_size, run.config.seed)
  seen = [data.select(stream.next(), data.shared)["x"] for _ in range(4)]
  np.testing.assert_allclose(
      state.extra["mean"], jnp.concatenate(seen).mean(axis=0), rtol=1e-4
  )


@pytest.mark.parametrize("kind", SMOKES)
def test_what_augmentation_makes_is_drawn(kind, tmp_path):
  run = run_lib.assemble(smoke(kind))
  preview.save_augmented(run, tmp_path / "a.png")
  assert (tmp_path / "a.png").stat().st_size > 5000


@pytest.mark.parametrize(
    "kind,changes,message",
    (
        ("table", {"data.flip": True}, "data.flip is for images"),
        ("table", {"mix": {"name": "puzzlemix"}}, "x must be images"),
        ("table", {"mix": {"name": "cutmix"}}, "take 'mixup'"),
        ("table", {"model": {"name": "resnet8", "dtype": "float32"}},
         "model 'resnet8'"),
        ("graph", {"mix": {"name": "mixup"}}, "take 'manifold_mixup'"),
        ("graph", {"evaluate.mix": {"name": "mixup"}}, "evaluate.mix"),
        ("graph", {"data.pipeline": "streaming"}, "must be 'resident'"),
        ("graph", {"model": {"name": "resnet8", "dtype": "float32"}},
         "model 'resnet8'"),
        ("graph", {"method.stage": 0}, "stage=1"),
        ("sound", {"data.sound.hop": 0.0}, "data.sound.hop must be above 0"),
        ("sound", {"data.jitter": 0.5}, "data.jitter is for images"),
    ),
)
def test_what_has_no_meaning_is_named_before_anything_is_written(
    kind, changes, message, tmp_path
):
  with pytest.raises(ValueError, match=message):
    loop.train(smoke(kind, **changes), tmp_path / "run")
  assert not (tmp_path / "run").exists()


def test_a_network_of_graphs_is_refused_for_images(tmp_path):
  config = recipes.load("digits:resnet8,smoke")
  config.model = {"name": "gcn", "dtype": "float32"}
  with pytest.raises(ValueError, match="model 'gcn'.*nodes"):
    loop.train(config, tmp_path / "run")


def test_a_loaded_run_reads_texts_as_it_was_trained_to(runs, tmp_path, capsys):
  workdir, _ = runs("text")
  run, state = dmjax.load(workdir)
  train = run_lib.assemble(smoke("text")).sources["train"]
  assert run.sources["test"].reader == train.reader
  words = "class3 word1 unseen"
  x = texts.encode(run.sources["train"], [words])
  np.testing.assert_array_equal(x, texts.encode(train, [words]))
  (tmp_path / "a.txt").write_text(words)
  command = ["predict", "--workdir", str(workdir), str(tmp_path / "a.txt")]
  assert not main.main([*command, "--format", "json", "--top", "10"])
  found = json.loads(capsys.readouterr().out)["classes"]
  expected = jax.nn.softmax(run.method.predict(state, {"x": x}))[0]
  for name, p in found.items():
    np.testing.assert_allclose(p, expected[int(name)], rtol=1e-4)


def test_predict_says_that_it_reads_images(runs, tmp_path, capsys):
  (tmp_path / "a.png").touch()
  code = main.main(
      ["predict", "--workdir", str(runs("table")[0]), str(tmp_path / "a.png")]
  )
  assert code and "reads images" in capsys.readouterr().err


def test_defaults_of_sound_are_those_of_the_configuration():
  assert dmjax.config.default().data.sound.to_dict() == dict(sounds.DEFAULTS)

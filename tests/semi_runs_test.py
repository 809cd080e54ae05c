"""Whole runs of semi-supervised training: two streams, one memory."""

import json

import jax
import numpy as np
import pytest

import dmjax
from dmjax.data import labels
from dmjax.data import sources
from dmjax.train import loop
from dmjax.train import run as run_lib
from dmjax.train import workdir as workdir_lib
from tests import going_on
from tests import tiny_config
from tests import tiny_semi_config
from tests.train_test import assert_same_state
from tests.train_test import stop_at

pytestmark = pytest.mark.usefixtures("without_pictures")


def semi(**changes):
  """The tiny configuration, with changes as `{"data.labels": ...}`."""
  config = tiny_semi_config.get_config()
  config.update_from_flattened_dict(changes)
  return config


def mixed():
  """Mixup of streams that Grain reads, with a head of its own."""
  config = semi(**{"data.pipeline": "streaming"})
  config.mix = {"name": "mixup", "alpha": 1.0}
  config.method.threshold.name = "fixed"
  return config


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
  """A run that nothing interrupted."""
  workdir = tmp_path_factory.mktemp("finished")
  return workdir, loop.train(semi(), workdir)


def interrupted(config, workdir, monkeypatch):
  """The same in two parts."""
  with monkeypatch.context() as patch:
    patch.setattr(loop.signals, "asked_to_stop", stop_at(4))
    assert loop.train(config, workdir).step == 4
  assert loop.train(config, workdir).finished
  return workdir


def test_a_run_with_a_memory_resumes_bit_for_bit(
    finished, tmp_path, monkeypatch
):
  whole, result = finished
  assert result.finished and np.isfinite(list(result.metrics.values())).all()
  assert_same_state(whole, interrupted(semi(), tmp_path, monkeypatch))
  memory = dmjax.load(whole)[1].extra
  assert memory["selected"].shape == (160,)
  noted = int((memory["selected"] >= 0).sum())
  assert 0 < noted <= 6 * 16  # No more than were seen.


def test_a_run_that_streams_and_mixes_resumes_too(tmp_path, monkeypatch):
  assert loop.train(mixed(), tmp_path / "whole").finished
  interrupted(mixed(), tmp_path / "parts", monkeypatch)
  assert_same_state(tmp_path / "whole", tmp_path / "parts")


@pytest.mark.parametrize("options", (
    {"name": "self_tuning", "dim": 8, "momentum": 0.9, "queue_size": 3},
    {"name": "remixmatch", "ema_decay": 0.9},
    {"name": "freematch", "ema_decay": 0.9},
), ids=lambda options: options["name"])
def test_queues_and_averages_resume_bit_for_bit(options, tmp_path):
  """A step from a checkpoint is the step that was not interrupted."""
  config = semi(total="4 steps")
  if options["name"] == "freematch":
    options = options | {"name": "fixmatch", "threshold": {"name": "freematch"}}
  if options["name"] == "remixmatch":
    config.mix = {"name": "mixup", "alpha": 1.0}
  config.method = options
  going_on.assert_exact(config, tmp_path)


def test_two_heads_are_trained_and_one_predicts():
  run = run_lib.assemble(mixed())
  state = loop.first_state(run, 0)
  assert state.params["head"]["bias"].shape == (20,)
  logits = jax.eval_shape(run.method.predict, state, run.example)
  assert logits.shape == (1, 10)


def test_what_is_evaluated_is_the_running_average(finished):
  workdir, result = finished
  run, state = dmjax.load(workdir)
  test = sources.open_source("digits", run.config.data.test)
  examples = [test.read(i) for i in range(test.size)]
  x = np.stack([e["x"] for e in examples]).astype(np.float32) / 255
  truth = np.array([e["label"] for e in examples])

  @jax.jit
  def predict(params):
    variables = {"params": params, **state.model_state}
    return jax.nn.log_softmax(run.method.network.predict(variables, x))

  logs = np.asarray(predict(state.ema))
  top1 = (logs.argmax(1) == truth).mean()
  assert top1 == pytest.approx(result.metrics["top1"])
  places = np.arange(truth.size), truth
  assert -logs[places].mean() == pytest.approx(result.metrics["nll"], rel=1e-4)
  # Which is not what the last parameters would give.
  others = np.asarray(predict(state.params))
  assert abs(others[places].mean() - logs[places].mean()) > 1e-3
  assert loop.evaluate(semi(), workdir) == pytest.approx(result.metrics)


def test_a_run_is_loaded_where_its_dataset_is_gone(finished, monkeypatch):
  def gone(name, split, directory):
    raise ValueError(f"dataset {name!r} is not prepared")

  monkeypatch.setattr(sources, "open_source", gone)
  run, state = dmjax.load(finished[0])
  assert {k: s.size for k, s in run.sources.items()} == {
      "train": 20, "test": 20, "unlabelled": 160
  }
  x = np.zeros((2, 8, 8, 1), np.float32)
  logits = jax.jit(run.method.predict)(state, {"x": x})
  assert logits.shape == (2, 10)


def test_the_labels_used_are_drawn_by_their_seed_and_written_down(finished):
  facts = json.loads((finished[0] / workdir_lib.DATA).read_text())
  whole = sources.open_source("digits", "train[:200]")
  expected = labels.draw(whole, "2 per class", 0)
  np.testing.assert_array_equal(facts["labelled"], expected)
  assert facts["size"] == 20 and facts["unlabelled_size"] == 160
  run = run_lib.assemble(semi())
  np.testing.assert_array_equal(run.labelled, expected)
  train = run.sources["train"]
  for place, row in enumerate(expected):
    for key, value in whole.read(row).items():
      np.testing.assert_array_equal(train.read(place)[key], value)
  # The seed of the run does not choose them.
  assert list(run_lib.assemble(semi(seed=1)).labelled) == list(expected)
  others = run_lib.assemble(semi(**{"data.labels_seed": 1})).labelled
  assert list(others) != list(expected)


def after_two_steps(run):
  """The state on the devices, without the loop around the steps."""
  data = run.training()
  stream = data.batches(run.config.batch_size, 0)
  following = loop.updates(
      loop.compile_step(run), loop.parallel.replicate(loop.first_state(run, 0)),
      data, stream, seed=0,
  )
  next(following)
  return next(following)[0]


def carried(state):
  """What of a state must be the same everywhere."""
  return state.params, state.ema, state.extra


def test_labels_of_unlabelled_images_change_nothing():
  """Not even where the source that is given has wrong ones."""
  honest = run_lib.assemble(semi())
  source = sources.open_source("digits", "train[:160]")

  def read(index):
    example = source.read(index)
    return example | {"label": (example["label"] + index) % 10}

  wrong = run_lib.assemble(semi(), unlabelled=source._replace(read=read))
  found = wrong.pipeline("unlabelled").shared["rows"]["label"]
  assert len(np.unique(found)) == 10  # They come as far as the pipeline.
  states = (after_two_steps(run) for run in (honest, wrong))
  jax.tree.map(np.testing.assert_array_equal, *map(carried, states))


def test_a_split_that_is_opened_for_its_images_has_no_labels():
  run = run_lib.assemble(semi())
  unlabelled = run.sources["unlabelled"]
  assert {unlabelled.read(i)["label"] for i in range(20)} == {0}


def epoch(**changes):
  run = run_lib.assemble(semi(total="3 epochs", **changes))
  assert run.times.total == 3 * run.times.epoch
  return run.times.epoch


def test_an_epoch_shows_every_unlabelled_image_once():
  assert epoch() == 160 // (2 * 8)
  assert epoch(**{"data.labels": "10 per class"}) == 10
  assert epoch(**{"unlabelled.ratio": 7}) == 160 // (7 * 8)
  # As many as are there, several times: one step is the least.
  assert epoch(**{"unlabelled.ratio": 40}) == 1
  run = run_lib.assemble(semi())
  stream = run.pipeline("unlabelled").batches(2 * 8, 0)
  rows = [stream.next()["row"] for _ in range(run.times.epoch)]
  assert sorted(np.concatenate(rows)) == list(range(160))


def supervised(**changes):
  config = tiny_config.get_config()
  config.update_from_flattened_dict(changes)
  return config


@pytest.mark.parametrize("pipeline", ("resident", "streaming"))
def test_labels_may_be_fewer_than_a_batch(pipeline):
  changes = {"data.labels": "2 per class", "data.pipeline": pipeline}
  config = supervised(**changes)
  run = run_lib.assemble(config)
  assert run.times.epoch == 1 and run.sources["train"].size == 20
  data = run.training()
  batch = data.select(data.batches(32, 0).next(), data.shared)
  often = np.bincount(batch["index"], minlength=20)
  assert set(often) == {1, 2} and len(batch["label"]) == 32


def test_examples_that_all_have_labels_may_not():
  config = supervised(**{"data.train": "train[:20]"})
  with pytest.raises(ValueError, match="at most the 20 training examples"):
    run_lib.assemble(config)

"""Whole runs of FIXED on digits in guises: one is left out."""

import json

import jax
import numpy as np
import pytest

import dmjax
from dmjax import recipes
from dmjax.train import loop
from dmjax.train import preview
from dmjax.train import run as run_lib
from dmjax.train import trials
from tests.train_test import assert_same_state
from tests.train_test import stop_at

pytestmark = pytest.mark.usefixtures("without_pictures")


def tiny(words="fixed", **changes):
  """Four steps of a narrow network, with changes as `{"data.train": ...}`."""
  config = recipes.load(f"digits_domains:mlp,{words},smoke")
  config.evaluate.every = "4 steps"
  config.evaluate.mix = {"name": "identity"}
  config.update_from_flattened_dict(changes)
  return config


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
  workdir = tmp_path_factory.mktemp("finished")
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(loop.preview, "save", lambda *_: None)
    patch.setattr(loop.progress.plots, "curves", lambda *_, **__: None)
    return workdir, loop.train(tiny(), workdir)


def test_a_run_that_leaves_a_domain_out_resumes_bit_for_bit(
    finished, tmp_path, monkeypatch
):
  whole, result = finished
  assert result.finished and np.isfinite(list(result.metrics.values())).all()
  with monkeypatch.context() as patch:
    patch.setattr(loop.signals, "asked_to_stop", stop_at(2))
    assert loop.train(tiny(), tmp_path).step == 2
  assert loop.train(tiny(), tmp_path).finished
  assert_same_state(whole, tmp_path)


def test_a_loaded_run_knows_its_domains_without_its_data(finished):
  workdir, _ = finished
  facts = json.loads((workdir / "data.json").read_text())
  assert facts["domain_names"] == ["original", "blurred", "inverted", "noisy"]
  run, state = dmjax.load(workdir)
  assert run.sources["train"].domain_names == tuple(facts["domain_names"])
  assert run.example["domain"].dtype == np.int32
  head = state.params["domain_head"]["head"]["bias"]
  assert head.shape == (4,) and run.sources["test"].domain_names
  logits = jax.eval_shape(run.method.predict, state, run.example)
  assert logits.shape == (1, 10)


def test_another_domain_to_leave_out_is_another_run(finished):
  with pytest.raises(ValueError, match="leave_out was 'rotated', now 'noisy'"):
    loop.train(tiny(**{"data.leave_out": "noisy"}), finished[0])


def test_pictures_say_that_features_are_mixed():
  run = run_lib.assemble(tiny())
  assert run.method.mixes_features
  assert "Features are mixed" in preview._note(run)


@pytest.mark.parametrize("changes,match", (
    ({"data.name": "digits", "data.leave_out": ""}, "'fix' needs training"),
    ({"data.name": "digits"}, "leave_out='rotated' needs data that say"),
    ({"data.leave_out": "inverse"}, "no domain 'inverse'.*'inverted'"),
    ({"method.reversal": -1.0}, "reversal must be >= 0"),
))
def test_what_does_not_fit_is_refused_before_anything_is_compiled(
    changes, match
):
  with pytest.raises(ValueError, match=match):
    run_lib.assemble(tiny("fix", **changes))


def test_a_mixer_of_images_cannot_mix_features():
  config = tiny("fix")
  config.mix = {"name": "cutmix"}
  run = run_lib.assemble(config)
  with pytest.raises(ValueError, match="'cutmix' with .*must be images"):
    trials.check_network(run)


def test_any_loss_goes_with_fix_and_none_with_fixed():
  config = tiny("fix,dm")
  assert config.loss.name == "decoupled_cross_entropy"
  with pytest.raises(ValueError, match="fixed has no DM form"):
    tiny("fixed,dm")

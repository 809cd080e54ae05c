"""The experiment on MixupE: its rows, its choice of settings, its page."""

import json

import numpy as np
import pytest

from dmjax.data import mock
from experiments import mixupe
from experiments import mixupe_report
from experiments import mixupe_sets as sets
from experiments import tables

SOURCES = {
    split: mock.open_mock("mock/table", split) for split in ("train", "test")
}


def labels(source):
  return np.array([source.read(row)["label"] for row in range(source.size)])


def rows_of(source):
  return {tuple(source.read(row)["x"]) for row in range(source.size)}


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
  """Two seeds of two methods on wine, with settings that were chosen."""
  out = tmp_path_factory.mktemp("mixupe")
  common = ["--sets", "wine", "--out", str(out), "--smoke"]
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(mixupe, "GRID", {"mixup": [{"mix.alpha": 0.2}]})
    patch.setattr(mixupe, "SELECTION_SEEDS", (100, 101))
    mixupe.main([*common, "--select"])
  variants = ["--variants", "mixup", "MixupE", "--seeds", "0", "1"]
  mixupe.main([*common, *variants])
  return out


def test_what_was_chosen_is_what_is_trained(measured):
  tried = tables.read(measured / "settings.csv")
  assert [row["seed"] for row in tried] == ["100", "101"]
  rows = tables.read(measured / "results.csv")
  assert len(rows) == 4
  assert {json.loads(row["setting"])["mix.alpha"] for row in rows} == {0.2}


def test_the_page_and_the_picture_hold_every_set(measured):
  page = (measured / "README.md").read_text()
  assert "2 seeds each" in page and "wine" in page and "MixupE - mixup" in page
  assert (measured / "forest.png").stat().st_size > 5000


def test_of_several_settings_the_best_on_average_is_taken():
  rows = [
      {"set": "a", "variant": "DM", "setting": json.dumps({"loss.eta": eta}),
       "top1": top1, "nll": nll}
      for eta, top1, nll in (
          (0.1, "0.9", "1"), (0.1, "0.7", "1"), (0.5, "0.8", "0.5"),
          (0.5, "0.8", "0.7"),
      )
  ]
  assert mixupe.best_of(rows) == {("a", "DM"): {"loss.eta": 0.5}}


def test_validation_rows_are_not_trained_on_and_are_those_of_every_seed():
  few = sets.Set("wine:mlp", 1, rows=20)
  drawn = [sets.rows_of_seed(few, SOURCES, seed, True) for seed in (0, 1)]
  first, second = (set_["train"] for set_ in drawn)
  assert first.size == second.size == 20 and rows_of(first) != rows_of(second)
  assert rows_of(drawn[0]["test"]) == rows_of(drawn[1]["test"])
  assert not rows_of(first) & rows_of(drawn[0]["test"])
  assert rows_of(drawn[0]["test"]) <= rows_of(SOURCES["train"])


def test_noise_replaces_its_share_of_labels_by_another_class():
  few = SOURCES["train"]
  read = lambda row: few.read(row % few.size)
  source = few._replace(
      size=4000, read=read, label=lambda row: read(row)["label"]
  )
  set_ = sets.Set("wine:mlp", 1, noise=0.4)
  noisy, again, other = (
      sets.rows_of_seed(set_, SOURCES | {"train": source}, seed, False)["train"]
      for seed in (3, 3, 4)
  )
  wrong = labels(noisy) != labels(source)
  assert abs(wrong.mean() - 0.4) < 0.03
  assert (labels(noisy) == [noisy.label(row) for row in range(4000)]).all()
  assert (labels(noisy) == labels(again)).all()
  assert (labels(noisy) != labels(other)).any()


def test_a_difference_is_that_of_the_same_seeds():
  rows = [
      {"set": "a", "variant": variant, "seed": seed, "top1": top1}
      for variant, seed, top1 in (
          ("DM", 0, 0.5), ("DM", 1, 0.7), ("mixup", 0, 0.4), ("mixup", 1, 0.5),
          ("mixup", 2, 0.9),
      )
  ]
  mean, half = mixupe_report.difference(rows, "a", "DM", "mixup")
  assert mean == pytest.approx(15)
  assert half == pytest.approx(12.71 * 5, rel=1e-3)

"""Experiments of semi-supervised training: their commands run and report."""

import csv

import pytest

from experiments import cifar100
from experiments import semi_cost
from experiments import semi_supervised
from experiments import semi_supervised_report as report


def test_a_smoke_run_writes_the_table_and_is_not_repeated(tmp_path):
  arguments = [
      "--smoke", "--seeds", "0", "--labels", "2", "--out", str(tmp_path),
      "--variants", "pseudo-label",
  ]
  semi_supervised.main(arguments)
  with open(tmp_path / "results.csv", encoding="utf-8") as file:
    rows = list(csv.DictReader(file))
  assert [row["variant"] for row in rows] == ["pseudo-label"]
  for row in rows:
    shares = [float(row[key]) for key in ("top1", "believed", "right_of_all")]
    assert all(0 <= share <= 1 for share in shares)
  semi_supervised.main(arguments)
  with open(tmp_path / "results.csv", encoding="utf-8") as file:
    assert list(csv.DictReader(file)) == rows
  page = (tmp_path / "README.md").read_text()
  assert "| pseudo-label |" in page and (tmp_path / "plot.png").stat().st_size


def rows_of(**top1):
  """Rows of two labels, one for each value of a variant."""
  return [
      {"labels": "2", "variant": variant.replace("_", " "), "seed": str(seed),
       "top1": str(value / 100), "nll": "1", "believed": "0.1 0.5",
       "right": "0.9 0.8", "right_of_all": "0.7 0.6"}
      for variant, values in top1.items() for seed, value in enumerate(values)
  ]


def test_gains_are_over_the_best_control_for_the_same_seeds():
  rows = rows_of(FixMatch=(80, 90), MixMatch=(70,))
  rows += [row | {"variant": "labelled only, weak"} for row in rows_of(a=(60, 64))]
  rows += [row | {"variant": "labelled only, mixup"} for row in rows_of(a=(70, 74))]
  table = report.gains(rows)
  assert "| (the best of labelled only) | mixup |" in table
  assert "| FixMatch | +13.00 ± 3.00 |" in table
  assert "| MixMatch | +0.00 ± 0.00 |" in table


def test_pairs_are_compared_where_both_were_run():
  rows = rows_of(**{"MixMatch": (70, 72), "ICT": (50, 50)})
  rows += [row | {"variant": "MixMatch, DM"} for row in rows_of(a=(71, 75))]
  table = report.differences(rows)
  assert "| MixMatch, DM - MixMatch | +2.00 ± 1.00 |" in table
  assert "Self-Tuning" not in table
  assert "50.0 / 80.0 / 60.0" in report.pseudo_labels(rows)


def test_every_method_has_its_cost_beside_as_many_images(tmp_path):
  semi_cost.main([
      "--repeats", "1", "--methods", "pseudo_label", "--out", str(tmp_path)
  ])
  with open(tmp_path / "cost.csv", encoding="utf-8") as file:
    [row] = csv.DictReader(file)
  assert row["method"] == "pseudo_label" and row["images"] == "160"
  assert float(row["ratio"]) > 0 and 0 < float(row["views_share"]) < 10


def test_a_misspelt_change_is_named_before_anything_runs(tmp_path):
  arguments = [
      "--recipes", "fixmatch,400", "--out", str(tmp_path / "out"),
      "--config.modl.name=wide_resnet28_2",
  ]
  with pytest.raises(ValueError, match="modl"):
    cifar100.main(arguments)
  assert not any(tmp_path.iterdir())

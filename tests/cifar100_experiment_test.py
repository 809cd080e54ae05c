"""The CIFAR-100 table: its command runs, goes on, and reports."""

import csv

import pytest

from dmjax.train import progress
from experiments import cifar100


def test_a_smoke_run_writes_the_table_and_is_not_repeated(tmp_path):
  arguments = [
      "--smoke", "--seeds", "1", "--recipes", "resnet18", "--out",
      str(tmp_path), "--runs", str(tmp_path / "runs"),
  ]
  cifar100.main(arguments)
  with open(tmp_path / "results.csv", encoding="utf-8") as file:
    [row] = csv.DictReader(file)
  assert (row["recipe"], row["seed"]) == ("resnet18", "0")
  assert 0 <= float(row["top1"]) <= 100
  assert float(row["images_per_second"]) > 0
  before = (tmp_path / "results.csv").read_text()
  cifar100.main(arguments)
  assert (tmp_path / "results.csv").read_text() == before
  assert "| resnet18 | 1 |" in (tmp_path / "README.md").read_text()


def test_a_misspelt_recipe_is_named_before_anything_runs(tmp_path):
  arguments = ["--recipes", "resnet18", "resnet18,cutmx", "--out", str(tmp_path)]
  with pytest.raises(ValueError, match="cutmix"):
    cifar100.main(arguments)
  assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(("rule", "last", "number"), [
    ("median", 10, 0.045), ("best", 10, 0.09), ("best", 0, 0.9), ("last", 0, 0.09),
])
def test_the_number_of_a_run_is_by_the_rule(tmp_path, rule, last, number):
  values = [0.9, *(i / 100 for i in range(10))]
  lines = [f'{{"step": 1, "test/top1": {v}}}' for v in values]
  (tmp_path / "metrics.jsonl").write_text("\n".join(lines))
  assert abs(progress.by_rule(tmp_path, rule, last) - number) < 1e-9


def test_means_and_spreads_stand_beside_the_published_numbers():
  rows = [
      {"recipe": "resnet18,mixup", "seed": str(i), "top1": str(78 + i),
       "images_per_second": "1000", "ms_a_step": "100", "seconds": "60",
       "device": "1 x GPU"}
      for i in range(3)
  ]
  text = cifar100.report(rows)
  measured = "| resnet18,mixup | 3 | 79.00 ± 1.00 | 78.52 | median of the last 10"
  assert f"{measured} | 1,000 | 100.0 | 60 | 1 x GPU |" in text
  assert "| resnet18 | 0 | not run | 76.42 |" in text
  assert "| resnet18,automix | 0 | not run | 80.12 |" in text
  assert "| resnet18,cutmix,dm | 0 | not run | - |" in text

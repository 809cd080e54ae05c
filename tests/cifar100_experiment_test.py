"""The CIFAR-100 table: its command runs, goes on, and reports."""

import csv

from dmjax.train import progress
from experiments import cifar100


def test_a_smoke_run_writes_the_table_and_is_not_repeated(tmp_path):
  cells = {k: cifar100.CELLS[k] for k in (("none", "CE"), ("AutoMix", "CE"))}
  arguments = [
      "--smoke", "--seeds", "1", "--mixers", "none", "AutoMix", "--out", str(tmp_path), "--runs",
      str(tmp_path / "runs"),
  ]
  cifar100.main(arguments)
  with open(tmp_path / "results.csv", encoding="utf-8") as file:
    rows = list(csv.DictReader(file))
  assert [(row["mixer"], row["loss"]) for row in rows] == list(cells)
  assert all(0 <= float(row["top1"]) <= 100 for row in rows)
  assert all(float(row["images_per_second"]) > 0 for row in rows)
  before = (tmp_path / "results.csv").read_text()
  cifar100.main(arguments)
  assert (tmp_path / "results.csv").read_text() == before
  text = (tmp_path / "README.md").read_text()
  assert "| none | CE | 1 |" in text and "76.42" in text


def test_the_number_of_a_run_is_the_median_of_its_last_ten(tmp_path):
  values = [0.9, *(i / 100 for i in range(10))]
  lines = [f'{{"step": 1, "test/top1": {v}}}' for v in values]
  (tmp_path / "metrics.jsonl").write_text("\n".join(lines))
  assert abs(progress.median_of_last(tmp_path) - 0.045) < 1e-9


def test_mean_and_spread_are_over_seeds():
  rows = [
      {"mixer": "MixUp", "loss": "CE", "seed": str(i), "top1": str(78 + i),
       "images_per_second": "1000", "seconds": "60", "device": "1 x GPU"}
      for i in range(3)
  ]
  text = cifar100.report(rows)
  assert "| MixUp | CE | 3 | 79.00 ± 1.00 | 78.52 | 1,000 | 60 | 1 x GPU |" in text
  assert "| CutMix | DM(CE) | 0 | not run | - |" in text

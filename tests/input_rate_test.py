"""The benchmark of the input runs and writes what it measured."""

import csv

from experiments import input_rate
from experiments import photographs


def test_a_short_run_writes_rates_of_loop_and_pipeline(tmp_path, monkeypatch):
  monkeypatch.setattr(photographs, "COUNT", 16)
  input_rate.main([
      "--out", str(tmp_path), "--batches", "2", "--batch_size", "4",
      "--workers", "0",
  ])
  with open(tmp_path / "results.csv", encoding="utf-8") as file:
    rows = list(csv.DictReader(file))
  assert [row["input"] for row in rows] == ["PIL loop", "streaming"]
  assert all(float(row["images_per_second"]) > 0 for row in rows)
  assert "| PIL loop | - |" in (tmp_path / "README.md").read_text()


def test_another_pillow_has_a_column_of_medians():
  rows = [
      dict(zip(input_rate.COLUMNS, (pillow, "streaming", "2", rate)))
      for pillow, rates in (("13.0", "132"), ("12.1", "796")) for rate in rates
  ]
  page = input_rate.report(rows)
  assert "| streaming | 2 | 2 (1 to 3) | 7 (6 to 9) |" in page
  assert "Medians of 3" in page and "Pillow 12.1" in page and "--beside" in page
  assert "--beside" not in input_rate.report(rows[:3])

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

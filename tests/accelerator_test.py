"""The accelerator report: what it measures, and its page."""

import argparse

import pytest

from experiments import accelerator
from experiments import accelerator_report as report

ROW = {
    "part": "networks", "step": "ResNet-50", "library": "dmjax", "pixels": "224",
    "batch": "128", "dtype": "bfloat16", "ms": "50.0",
    "images_per_second": "2560", "gflop": "3000", "mib": "9000",
    "compile_s": "30.0",
}


def test_a_step_on_noise_is_timed_and_its_work_counted(tmp_path):
  cell = accelerator.cells(smoke=True)[1]
  args = argparse.Namespace(repeats=1, trace=tmp_path)
  row, = accelerator.measure([cell], args)
  assert set(row) == set(report.COLUMNS)
  assert float(row["ms"]) > 0 and float(row["gflop"]) > 0
  assert list(tmp_path.rglob("*.xplane.pb"))


def test_the_share_of_the_ceiling_is_work_over_time():
  # 3,000 GFLOP in 50 ms are 60 TFLOP/s, a tenth of 600.
  text = report.page([ROW], ceiling=600.0, repeats=1)
  assert "| ResNet-50 | dmjax | 224 | 128 | 50.0 | 2560 | 10 | 9000 |" in text


def test_what_is_added_is_relative_to_nothing(tmp_path):
  rows = [
      ROW | {"part": "costs", "step": "nothing", "ms": "10.0"},
      ROW | {"part": "costs", "step": "mixup", "ms": "10.2"},
  ]
  assert "| mixup | 10.20 | +2.0 |" in report.page(rows, 1.0, 1)
  report.plot(rows, tmp_path / "plot.png")
  assert (tmp_path / "plot.png").stat().st_size > 5000


def test_it_refuses_to_measure_a_cpu_in_full(tmp_path, capsys):
  with pytest.raises(SystemExit):
    accelerator.main(["--out", str(tmp_path / "out")])
  assert "--smoke" in capsys.readouterr().err
  assert not (tmp_path / "out").exists()


def test_every_cost_is_over_the_same_batch():
  costs = [c for c in accelerator.cells(smoke=False) if c.part == "costs"]
  assert costs[0].name == "nothing" and len(costs) == 10
  assert {(cell.pixels, cell.batch) for cell in costs} == {(32, 512)}

"""The benchmark of mixers runs, and knows the guidance of all of them."""

import csv
import inspect

import pytest

from dmjax import mixers
from experiments import mixer_cost


def test_a_smoke_run_writes_table_text_and_plot(tmp_path):
  mixer_cost.main(["--smoke", "--repeats", "2", "--out", str(tmp_path)])
  with open(tmp_path / "results.csv") as file:
    rows = list(csv.DictReader(file))
  names = [row["mixer"] for row in rows]
  assert names == [mixer_cost.STEP, *mixer_cost.SMOKE_MIXERS]
  step = float(rows[0]["median_ms"])
  for row in rows:
    low, median, high = (
        float(row[k])
        for k in ("lower_quartile_ms", "median_ms", "upper_quartile_ms")
    )
    assert 0 < low <= median <= high
    share = 100 * median / step
    assert float(row["percent_of_step"]) == pytest.approx(share, rel=0.01)
  text = (tmp_path / "README.md").read_text()
  assert "--smoke" in text and str(tmp_path) not in text
  assert all(f"| {name} |" in text for name in names)
  assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_the_table_has_both_sizes_and_the_slowest_first():
  row = lambda pixels, name, ms, share: mixer_cost.Row(
      pixels, 8, name, "", ms, ms, ms, share
  )
  table = mixer_cost.markdown([
      row(32, "mixup", 1, 5), row(32, "fmix", 2, 10),
      row(224, "mixup", 30, 7.5), row(224, "fmix", 4, 1),
  ])
  head, _, *lines = table.splitlines()
  assert "8 x 32 px: ms" in head and "8 x 224 px: % of a step" in head
  assert lines == ["| fmix | - | 2 | 10 | 4 | 1 |", "| mixup | - | 1 | 5 | 30 | 7.5 |"]


def test_guidance_covers_every_mixer():
  setting = mixer_cost.settings_for(128, smoke=True)[0]
  for name, mixer in mixers.MIXERS.items():
    given = mixer_cost.guidance_for(name, setting)
    required = {
        option
        for option, parameter in inspect.signature(mixer).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
        and parameter.default is parameter.empty
    }
    assert required <= set(given)


def test_a_mixer_outside_the_table_is_named(monkeypatch):
  def needy(key, x, *, weather):
    del key, weather
    return x

  monkeypatch.setitem(mixers.MIXERS, "needy", needy)
  setting = mixer_cost.settings_for(128, smoke=True)[0]
  with pytest.raises(ValueError, match="needy' is not in the table"):
    mixer_cost.guidance_for("needy", setting)

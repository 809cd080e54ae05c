"""The experiment on texts: its choice of settings, its page and picture."""

import json

from experiments import text
from experiments import text_report as report


def tried(variant, eta, seed, top1):
  return {
      "variant": variant, "setting": json.dumps({"loss.eta": eta}),
      "seed": seed, "top1": top1,
  }


def test_the_best_setting_on_average_is_taken_and_handed_on():
  chosen = text.best_of([
      tried("sentence mixup, DM", 0.1, "0", "0.9"),
      tried("sentence mixup, DM", 0.1, "1", "0.5"),
      tried("sentence mixup, DM", 0.5, "0", "0.8"),
      tried("sentence mixup, DM", 0.5, "1", "0.7"),
  ]) | {"sentence mixup": {"mix.alpha": 0.2}}
  assert text.setting_of(chosen, "sentence mixup, DM") == {
      "loss.eta": 0.5, "mix.alpha": 0.2,
  }
  assert text.setting_of(chosen, "Mixup-Transformer") == {"mix.alpha": 0.2}
  assert text.setting_of(chosen, "ERM") == {}


def test_every_variant_is_a_recipe_and_inherits_from_others():
  for variant, words in text.VARIANTS.items():
    assert variant.endswith(", DM") == words.endswith(",dm")
  for variant, others in text.INHERITED.items():
    assert {variant, *others} <= set(text.VARIANTS)
    assert set(others) <= set(text.GRID)


def row(variant, seed, top1):
  return {
      "set": "TREC, CNN", "variant": variant, "seed": seed, "top1": top1,
      "nll": "1", "ece": "0.1",
  }


def test_the_page_and_the_picture_hold_paired_differences(tmp_path):
  rows = [
      row("ERM", "0", "0.50"), row("ERM", "1", "0.60"),
      row("sentence mixup", "0", "0.52"), row("sentence mixup", "1", "0.62"),
      row("sentence mixup, DM", "0", "0.51"),
      row("sentence mixup, DM", "1", "0.63"),
  ]
  page = report.page(rows, {"sentence mixup": {"mix.alpha": 0.2}})
  assert "| ERM | 55.00 ± 7.07 | 1.00 ± 0.00 | 10.00 ± 0.00 |  |" in page
  assert "| +2.00 ± 1.00 | +0.00 ± 1.00 | +0.00 ± 1.00 |" in page
  assert "2 seeds" in page and "mix.alpha 0.2" in page
  report.picture(rows, tmp_path / "a.png")
  assert (tmp_path / "a.png").stat().st_size > 5000

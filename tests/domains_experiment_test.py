"""The experiment on domains: its rows, its choice of settings, its page."""

import json

import pytest

from experiments import domains
from experiments import domains_report as report

VARIANTS = ("ERM", "mixup", "ERM, bottleneck", "FIXED")


def made_up():
  """FIXED is two points better than mixup, and the seeds differ by one."""
  better = {"mixup": 0.0, "ERM, bottleneck": 0.01, "FIXED": 0.02}
  return [
      {"set": "digits", "variant": variant, "domain": domain, "seed": str(seed),
       "top1": str(0.5 + better[variant] + 0.2 * (domain == "b") + seed / 100)}
      for variant in better for domain in ("a", "b") for seed in range(3)
  ]


def test_the_page_has_means_over_domains_and_paired_differences(tmp_path):
  chosen = {("digits", "FIXED"): {"method.margin": 10.0}}
  page = report.page(made_up(), chosen, VARIANTS)
  row = next(line for line in page.splitlines() if line.startswith("| FIXED"))
  assert "| 53.00 ± 1.00 | 73.00 ± 1.00 | 63.00 ± 1.00 |" in row
  assert "| +2.00 ± 0.00 | +1.00 ± 0.00 |" in row
  assert "| digits | FIXED | method.margin 10.0 |" in page
  assert "digits, 3 seeds" in page and "| ERM |" not in page
  report.picture(made_up(), tmp_path / "it.png", VARIANTS)
  assert (tmp_path / "it.png").stat().st_size > 5000


def test_what_was_chosen_is_taken_over():
  rows = [
      {"set": "digits", "variant": variant, "setting": json.dumps(setting),
       "top1": top1}
      for variant, setting, top1 in (
          ("DANN", {"method.reversal": 0.1}, "0.8"),
          ("DANN", {"method.reversal": 0.1}, "0.6"),
          ("DANN", {"method.reversal": 1.0}, "0.75"),
          ("feature mixup", {"mix.alpha": 0.2}, "0.9"),
          ("FIXED", {"method.reversal": 1.0, "method.margin": 1.0}, "0.9"),
      )
  ]
  chosen = domains.best_of(rows)
  setting = domains.setting_of(chosen, "spoken digits", "FIXED")
  assert setting == {
      "method.reversal": 1.0, "mix.alpha": 0.2, "method.margin": 1.0
  }
  chosen[("spoken digits", "DANN")] = {"method.reversal": 0.5}  # Goes first.
  own = domains.setting_of(chosen, "spoken digits", "FIXED")
  assert own == setting | {"method.reversal": 0.5}
  assert domains.setting_of(chosen, "digits", "ERM") == {}
  tried = domains.setting_of(chosen, "digits", "DANN", {"method.reversal": 9.0})
  assert tried == {"method.reversal": 9.0}


@pytest.mark.parametrize("name", domains.SETS)
def test_variants_leave_out_what_they_say(name):
  config = lambda variant: domains.config_of(name, variant, {}, False)
  for variant in ("ERM", "mixup"):
    assert config(variant).method.name == "supervised"
  assert config("DANN").mix.name == "identity"
  assert config("DANN").method.reversal
  assert not config("feature mixup").method.reversal
  assert config("FIX, DM").loss.name == "decoupled_cross_entropy"
  assert config("FIXED").method.name == "fixed"
  assert not config("FIXED").mix.per_batch


def test_as_many_rows_are_trained_on_whatever_is_left_out():
  for domain in ("original", "noisy"):
    train, test = domains.rows_of("digits", domain, "", False)
    assert (train.size, test.size) == (1145, 360)
    part, held = domains.rows_of("digits", domain, "", True)
    assert part.size + held.size == 1145
    assert domain not in held.domain_names  # Settings never see the test.
    pixels = lambda source: {
        source.read(row)["x"].tobytes() for row in range(0, source.size, 9)
    }
    assert not pixels(part) & pixels(held)

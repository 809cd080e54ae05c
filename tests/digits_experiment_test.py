"""The experiment on the digits: its cells, and its page."""

from experiments import digits
from experiments import grid

ROWS = [
    {"labels": labels, "variant": variant, "seed": str(seed), "ece": "0.1",
     "top1": str(top1 + seed / 100), "nll": "1", "mixed_top1": "0.5",
     "mixed_top2": "0.25"}
    for labels in ("100", "300", "1437")
    for variant, top1 in (("mixup", 0.6), ("mixup, DM(CE)", 0.7))
    for seed in range(2)
]


def test_dm_is_compared_with_cross_entropy_for_the_same_seeds(tmp_path):
  page = digits.page(ROWS)
  assert "| 100 | mixup | 60.50 ± 0.71 | 10.00 ± 0.00 | 50.00 ± 0.00 |" in page
  assert "| 300 | +10.00 ± 0.00 | - |" in page and "2\nseeds" in page
  digits.plot(ROWS, tmp_path / "plot.png")
  assert (tmp_path / "plot.png").stat().st_size > 5000


def test_every_variant_is_a_recipe_and_seeds_draw_other_rows():
  for words in digits.VARIANTS.values():
    assert grid.config_of(f"digits:resnet8{words}", {}).model.name == "resnet8"
  draws = [digits.few(100)(seed)["train"] for seed in (0, 1)]
  assert [source.size for source in draws] == [100, 100]
  labels = [[source.label(row) for row in range(100)] for source in draws]
  assert labels[0] != labels[1]

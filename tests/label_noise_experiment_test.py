"""The experiment on wrong labels: its cells, and its page."""

from experiments import grid
from experiments import label_noise

ROWS = [
    {
        "share": share, "variant": variant, "seed": str(seed), "memorised": "0.25",
        "top1": str(top1 + seed / 100), "train_top1_true": "0.75", "nll": "1",
        "ece": "0.1",
    }
    for share in ("0.2", "0.5", "0.8")
    for variant, top1 in (("no mixing", 0.5), ("mixup", 0.6), ("mixup, DM", 0.7))
    for seed in range(2)
]


def test_every_variant_is_compared_with_no_mixing_and_dm_with_ce():
  lines = label_noise.table(ROWS, 0.5).splitlines()
  assert lines[0] == "## 50% wrong"
  assert lines[4].endswith("|  |  |") and lines[4].startswith("| no mixing | 50.50")
  assert lines[5].endswith("| +10.00 ± 0.00 |  |")
  assert lines[6].endswith("| +20.00 ± 0.00 | +10.00 ± 0.00 |")


def test_the_page_and_the_picture_hold_all_shares(tmp_path):
  page = label_noise.page(ROWS)
  assert "2 seeds" in page and all(f"## {s:.0%}" in page for s in (0.2, 0.5, 0.8))
  label_noise.plot(ROWS, tmp_path / "plot.png")
  assert (tmp_path / "plot.png").stat().st_size > 5000


def test_every_variant_is_a_recipe():
  for words, changes in label_noise.VARIANTS.values():
    config = grid.config_of(f"digits:resnet8{words}", changes)
    name = words.split(",")[1] if words else "identity"
    assert config.mix.name == name
    assert config.mix.get("alpha") == changes.get("mix.alpha", config.mix.get("alpha"))

"""The experiment on further mixers: its cells, its rows, its page."""

import numpy as np

from dmjax import recipes
from experiments import grid
from experiments import more_mixers

ROWS = [
    {
        "network": network, "mixer": mixer, "loss": loss, "seed": str(seed),
        "top1": str(top1 + seed / 100), "corrupted": "0.5", "nll": "0.25",
        "ece": "0.1",
    }
    for network, mixer, loss, top1 in (
        ("resnet8", "mixup", "CE", 0.8), ("resnet8", "mixup", "DM", 0.7),
        ("resnet8", "StackMix", "CE", 0.9), ("resnet8", "StackMix", "DM", 0.9),
        ("deit_tiny", "mixup", "CE", 0.5), ("deit_tiny", "TL-Align", "CE", 0.4),
    )
    for seed in range(2)
]


def test_differences_are_those_to_mixup_of_the_same_loss():
  lines = more_mixers.table(ROWS, "resnet8").splitlines()
  assert lines[4:] == [
      "| StackMix | CE | 90.50 ± 0.71 | 50.00 ± 0.00 | 0.25 ± 0.00 |"
      " +10.00 ± 0.00 | +0.00 ± 0.00 |",
      "| StackMix | DM | 90.50 ± 0.71 | 50.00 ± 0.00 | 0.25 ± 0.00 |"
      " +20.00 ± 0.00 | +0.00 ± 0.00 |",
  ]
  first = lines[2]
  assert first.startswith("| mixup | CE | 80.50") and first.endswith("|  |  |")


def test_the_page_and_the_picture_hold_both_networks(tmp_path):
  page = more_mixers.page(ROWS)
  assert "2 seeds" in page and "-10.00 ± 0.00" in page
  assert "## ResNet-8" in page and "## vision transformer" in page
  more_mixers.plot(ROWS, tmp_path / "plot.png")
  assert (tmp_path / "plot.png").stat().st_size > 5000


def test_every_cell_is_a_recipe():
  for network, words in more_mixers.MIXERS.items():
    changes = more_mixers.changes_of(network)
    for word in words.values():
      name = f"digits:{network}{',' * bool(word)}{word}"
      config = grid.config_of(name, changes)
      assert config.total == f"{more_mixers.STEPS[network]} steps"
      assert recipes.load(name).model.name == config.model.name == network


def test_every_seed_has_as_many_digits_of_each_class():
  drawn = [more_mixers.few(100, seed)["train"] for seed in (0, 1)]
  for source in drawn:
    labels = [source.label(row) for row in range(source.size)]
    assert np.bincount(labels).tolist() == [10] * 10
  first, second = (source.read(0)["x"] for source in drawn)
  assert np.any(first != second)

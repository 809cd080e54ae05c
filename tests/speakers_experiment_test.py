"""The table of the experiment on speakers."""

from experiments import grid
from experiments import speakers


def row(recordings, variant, seed, eer):
  cell = {"recordings": recordings, "variant": variant, "seed": seed}
  return {k: str(v) for k, v in cell.items()} | {"eer": eer, "min_dcf": "0.5"}


ROWS = [
    row(10, "prototypical", 0, "0.30"), row(10, "prototypical", 1, "0.20"),
    row(10, "prototypical, mixed", 0, "0.28"),
    row(10, "prototypical, mixed", 1, "0.16"),
    row(450, "prototypical", 0, "0.25"),
]


def test_the_page_has_means_and_paired_differences():
  text = speakers.page(ROWS)
  assert "| prototypical | 25.00 ± 7.07 | 0.50 ± 0.00 | 25.00 ± 0.00 |" in text
  assert "| prototypical, mixed | 22.00 ± 8.49 | 0.50 ± 0.00 | - | - |" in text
  line = "| prototypical, mixed - prototypical | -3.00 ± 1.00 | - |"
  assert line in text
  assert "More than twice their standard error: 1 of 1." in text


def test_all_variants_are_of_recipes_that_load():
  for words, changes in speakers.VARIANTS.values():
    config = grid.config_of(words, speakers.COMMON | changes)
    assert config.data.sound.label == "speaker"
    assert config.method.name in ("contrastive_mixup", "supervised")


def test_the_picture_is_drawn_of_any_rows(tmp_path):
  for rows in (ROWS, ()):
    path = tmp_path / f"{len(rows)}.png"
    speakers.draw(rows, path)
    assert path.stat().st_size

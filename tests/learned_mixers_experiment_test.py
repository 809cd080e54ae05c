"""The page of the learned mixers, on rows whose numbers are known."""

from experiments import learned_mixers

ROWS = [
    {"variant": variant, "seed": str(seed), "top1": f"{top1}", "nll": "0.5",
     "ece": "0.1"}
    for variant, values in (
        ("mixup", (0.90, 0.92)), ("TransformMix", (0.91, 0.94))
    )
    for seed, top1 in enumerate(values)
]
ASKED = [
    {"seed": str(seed), "transformmix": f"{2 - seed}", "cutmix": "3",
     "mixup": "2.5", "gap": "0.05", "moved": "0.02"}
    for seed in (0, 1)
]


def test_differences_are_paired_with_mixup():
  table = learned_mixers.accuracies(ROWS)
  assert "| mixup | 91.00 ± 1.41 |  | 0.50 ± 0.00 | 10.00 ± 0.00 |" in table
  assert "| TransformMix | 92.50 ± 2.12 | +1.50 ± 0.50 |" in table


def test_the_teacher_is_asked_about_both_mixers():
  assert "| 1.50 ± 0.71 | 3.00 ± 0.00 |" in learned_mixers.questions(ASKED)
  assert "| -1.50 ± 0.50 |" in learned_mixers.questions(ASKED)


def test_the_page_says_how_many_seeds_there_were():
  assert " 2 seeds, each with 280" in learned_mixers.report(ROWS, ASKED)


def test_every_seed_has_images_of_its_own():
  first, second = (learned_mixers.sources(seed) for seed in (0, 4))
  assert first["train"].size == second["train"].size == learned_mixers.ROWS
  assert first["test"].size == 360

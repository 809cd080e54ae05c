"""The last table of a run, and of an evaluation."""

import pathlib
from typing import Any

from dmjax import recipes
from dmjax.train import progress

_ROWS = (
    ("clean top-1", "top1", "{:.2%}"),
    ("clean top-5", "top5", "{:.2%}"),
    ("clean NLL", "nll", "{:.4f}"),
    ("ECE, 15 bins", "ece", "{:.2%}"),
    ("mixed top-1 (one of the two classes)", "mixed_top1", "{:.2%}"),
    ("mixed top-2 (both classes)", "mixed_top2", "{:.2%}"),
    ("training top-1, by the true labels", "train_top1_true", "{:.2%}"),
    ("wrong labels that are memorised", "memorised", "{:.2%}"),
)


def print_metrics(metrics: dict[str, float]) -> None:
  """One line for each metric that was measured."""
  print()
  for label, key, style in _ROWS:
    if key in metrics:
      print_row(label, style.format(metrics[key]))


def print_published(config: Any, workdir: pathlib.Path) -> None:
  """The measured number beside the published one, by the rule of the latter."""
  number, rule, last = recipes.published(config)
  measured = progress.by_rule(workdir, rule, last)
  beside = ""
  if number is not None:
    beside = f"   published {number:.2f}%, {config.published.source}"
  label = f"clean top-1, {recipes.rule_in_words(rule, last)}"
  print_row(label, f"{measured:.2%}{beside}")


def print_row(label: str, text: str) -> None:
  """A row of the table, its number ending where the others do."""
  number, space, rest = text.partition("   ")
  print(f"  {label:<40}{number:>10}{space}{rest}")


def print_files(workdir: pathlib.Path) -> None:
  """What a run has left."""
  print(f"\n  {workdir}/")
  for name in ("curves.png", "mixed.png", "metrics.jsonl", "checkpoints"):
    print(f"    {name}")

"""What is published of a row of a table, and what is to be known of it."""

from typing import Any

from dmjax.configs import automix
from dmjax.configs import sections
from dmjax.configs import table
from dmjax.configs import words


def section(choice: words.Choice) -> dict[str, Any]:
  """The `published` section of a choice."""
  rows = choice.table
  learned = choice.mixer in choice.recipe.learned
  rule, last = ("median", 10) if learned else (rows.rule, rows.last)
  top1 = {} if choice.method or choice.wrap else _top1(choice)
  return {
      "top1": {} if choice.dm else top1,
      "rule": rule,
      "last": last,
      "source": "" if choice.dm or not top1 else _source(choice),
      "beside": _in_words(choice, top1) if choice.dm and top1 else "",
      "note": "; ".join(filter(None, _notes(choice, learned, top1))),
  }


def _top1(choice: words.Choice) -> dict[str, float]:
  epochs = choice.table.epochs
  start = list(choice.table.networks).index(choice.network) * len(epochs)
  numbers = choice.table.top1[choice.mixer][start:]
  return {
      f"{length} {choice.table.unit}": number
      for length, number in zip(epochs, numbers)
      if number is not None
  }


def _source(choice):
  return choice.table.sources.get(choice.mixer, choice.table.source)


def _in_words(choice, top1):
  unit = choice.table.unit
  numbers = ", ".join(
      f"{number:.2f} after {length.removesuffix(f' {unit}')}"
      for length, number in top1.items()
  )
  return f"mixup {kind(choice)}: {numbers} {unit}, {_source(choice)}"


def kind(choice: words.Choice) -> str:
  """What DM is added to: CE or BCE."""
  return "BCE" if choice.recipe.loss["name"] == sections.BCE["name"] else "CE"


def _notes(choice, learned, top1):
  """What is to be known of a number, most important first."""
  rows, recipe = choice.table, choice.recipe
  if not top1:
    yield "no accuracy is published"
  if choice.method:
    yield rows.notes.get(choice.method)
  if choice.wrap:
    yield table.NOTES.get(choice.wrap)
  if choice.dm and choice.mixer in recipe.decoupled:
    yield recipe.decoupled_note
  elif choice.dm and kind(choice) == "BCE":
    yield "no DM(BCE) is published: its setting is our choice"
  elif choice.dm and rows.source:
    yield "no DM is published: eta is the paper's, alpha that of mixup CE"
  if rows.source:
    yield table.NOTES.get(choice.mixer)
  for of in ((choice.network, choice.mixer), choice.mixer, choice.network):
    yield rows.notes.get(of)
  if learned:
    yield automix.NOTE
    if _source(choice) == table.OPENMIXUP:
      yield automix.OPTIMISTIC
  cost = rows.costs.get((choice.network, choice.mixer))
  if cost := cost or rows.costs.get(choice.network):
    yield f"published cost: {cost}"
  if recipe.pretrained:
    yield "starts from torchvision's ImageNet parameters"

"""The argument of a recipe: words in any order, `resnet18,cutmix,dm`."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from dmjax import names
from dmjax.configs import table as table_lib


class Choice(NamedTuple):
  """One recipe.

  Attributes:
    table: The table it is in.
    network: Of the networks of the table.
    mixer: Of the mixers of the table; `identity` is the baseline.
    dm: Whether the loss is its decoupled form.
    method: Of the methods of the recipe that any mixer can be trained with;
      empty for supervised training, or what the recipe is of.
    wrap: Of what the recipe can lay around any method; empty for nothing.
    smoke: Whether a few steps of a tiny network are meant, to see that it runs.
  """

  table: table_lib.Table
  network: str
  mixer: str
  dm: bool
  method: str = ""
  wrap: str = ""
  smoke: bool = False

  @property
  def recipe(self) -> table_lib.Recipe:
    """How its network is trained."""
    return self.table.networks[self.network]


def choices(suite: table_lib.Suite) -> list[Choice]:
  """Every recipe of a dataset, those of a network together."""
  found = list(_choices(suite))
  networks = list(dict.fromkeys(choice.network for choice in found))
  order = list(dict.fromkeys(_series(choice) for choice in found))
  place = lambda c: (networks.index(c.network), order.index(_series(c)))
  return sorted(found, key=place)


def argument(suite: table_lib.Suite, choice: Choice) -> str:
  """The shortest words that name a choice: `resnet18,cutmix,dm`."""
  several = len(_recipes(suite, choice.network)) > 1
  default = _default_mixer(choice.table, choice.network, choice.method)
  silent = choice.mixer == default
  return ",".join((
      choice.network,
      *[choice.table.word] * several,
      *[choice.mixer] * (not silent or choice.dm),
      *filter(None, (choice.method, choice.wrap)),
      *["dm"] * choice.dm,
  ))


def example(
    suite: table_lib.Suite, found: Iterable[Choice] | None = None
) -> str:
  """One of the choices, or of all, to show: `cifar100:resnet18,cutmix,dm`."""
  found = choices(suite) if found is None else found
  choice = min(found, key=lambda c: (c.mixer != "cutmix", not c.dm))
  return f"{suite.name}:{argument(suite, choice)}"


def parse(text: str, suite: table_lib.Suite) -> Choice:
  """The choice that an argument names.

  Args:
    text: Comma-separated words in any order: a network, its recipe where it has
      several, a mixer (none is the baseline), a method that trains with any
      mixer (with the first of the recipe if none is said), what is laid around
      any method, `dm` and `smoke`.
    suite: The dataset.

  Returns:
    The choice.

  Raises:
    ValueError: For an unknown word, one too many, and for what does not exist;
      it says what to write.
  """
  said = _by_kind(text, suite)
  network = said.get("network")
  if network is None:
    raise ValueError(
        f"{suite.name}:{text} names no network; its networks are"
        f" {_listed(_networks(suite))}: write {example(suite)}"
    )
  word = _recipe(text, said.get("recipe"), network, suite)
  found = [c for c in choices(suite) if _series(c) == (network, word)]
  return _choose(found, said, suite)._replace(smoke="smoke" in said)


def _choices(suite: table_lib.Suite) -> Iterator[Choice]:
  for table in suite.tables:
    for network in table.networks:
      for mixer in table.top1:
        yield Choice(table, network, mixer, False)
        if mixer not in table.plain:
          yield Choice(table, network, mixer, True)
      # Others of their mixers are found, and not listed.
      for method in table.networks[network].methods:
        mixer = _default_mixer(table, network, method)
        yield Choice(table, network, mixer, False, method)
        if method not in table.plain:
          yield Choice(table, network, _first_mixer(table), True, method)
      for wrap in table.networks[network].wraps:
        yield Choice(table, network, _first_mixer(table), False, wrap=wrap)


def _default_mixer(table, network, method):
  """What is mixed with where no mixer is said."""
  needs = method and method not in table.networks[network].alone
  return _first_mixer(table) if needs else "identity"


def _first_mixer(table):
  """What a method mixes with where nothing else is said: mixup, if there."""
  return next(mixer for mixer in table.top1 if mixer != "identity")


def _series(choice):
  return choice.network, choice.table.word


def _networks(suite):
  return list(dict.fromkeys(n for t in suite.tables for n in t.networks))


def _recipes(suite, network):
  words = (t.word for t in suite.tables if network in t.networks)
  return list(dict.fromkeys(words))


def _by_kind(text, suite):
  """The words by what they name, each at most once."""
  kinds = _kinds(suite)
  said = {}
  for word in (word.strip() for word in text.split(",")):
    if word not in kinds:
      raise ValueError(
          f"unknown word {word!r} in {suite.name}:{text};"
          f" {names.suggest(word, kinds)}"
      )
    kind = kinds[word]
    if said.get(kind) == word:
      raise ValueError(f"{suite.name}:{text} says {word!r} twice")
    if kind in said:
      raise ValueError(
          f"{suite.name}:{text} names two {kind}s, {said[kind]!r} and {word!r};"
          f" keep one{_both(said[kind], word, kinds)}"
      )
    said[kind] = word
  return said


def _kinds(suite):
  kinds = {"identity": "mixer", "dm": "dm", "smoke": "smoke"}
  for table in suite.tables:
    kinds.update(dict.fromkeys(table.networks, "network"))
    kinds.update(dict.fromkeys(table.top1, "mixer"))
    for recipe in table.networks.values():
      kinds.update(dict.fromkeys(recipe.methods, "method"))
      kinds.update(dict.fromkeys(recipe.wraps, "wrapper"))
    kinds.update({table.word: "recipe"} if table.word else {})
  return kinds


def _both(first, second, kinds):
  pair = {first, second} == {"mixup", "cutmix"} and "mixup_cutmix" in kinds
  return ", or write mixup_cutmix for a choice of the two" if pair else ""


def _recipe(text, word, network, suite):
  """The word of the recipe, which may be left out where there is one."""
  known = _recipes(suite, network)
  if word in known or (word is None and len(known) == 1):
    return word or known[0]
  if word is None:
    raise ValueError(
        f"{suite.name} has several recipes of {network}, {_listed(known)}:"
        f" write {suite.name}:{text},{known[0]}"
    )
  has = f"it has {_listed(known)}" if any(known) else "leave the word out"
  raise ValueError(f"{suite.name} has no recipe {word} of {network}; {has}")


def _choose(found, said, suite):
  """The one of a series that has the mixer, the loss and the method."""
  method = said.get("method", "")
  default = _default_mixer(found[0].table, found[0].network, method)
  mixer = said.get("mixer", default)
  if "dm" in said and "mixer" not in said and default == "identity":
    raise ValueError(f"dm needs a mixer: write {example(suite, found)}")
  what = " ".join(filter(None, _series(found[0])))
  _check_method(method, mixer, what, found[0].recipe, suite)
  wrap = said.get("wrapper", "")
  same = [
      c for c in found if c.mixer == mixer and not (c.method or c.wrap)
  ]
  if not same:
    known = dict.fromkeys(choice.mixer for choice in found)
    lacks = "baseline" if mixer == "identity" else f"mixer {mixer}"
    raise ValueError(
        f"{suite.name} has no {lacks} for {what}; its mixers are"
        f" {_listed(known)}: write {example(suite, found)}"
    )
  _check_has(wrap, same[0].recipe.wraps, what, suite)
  if "dm" in said and method in same[0].table.plain:
    raise ValueError(
        f"{method} has no DM form, since its loss is its own: leave dm out"
    )
  for choice in same:
    if choice.dm == ("dm" in said):
      return choice._replace(method=method, wrap=wrap)
  raise ValueError(
      f"{mixer} has no DM form: write {example(suite, same)}"
  )


def _check_method(method, mixer, what, recipe, suite):
  if not method:
    return
  _check_has(method, recipe.methods, what, suite)
  lacks = mixer == "identity" and method not in recipe.alone
  if lacks or mixer in recipe.learned:
    raise ValueError(f"{method} needs a mixer such as mixup, got {mixer}")


def _check_has(word, known, what, suite):
  if word and word not in known:
    has = _listed(known) or "none: leave the word out"
    raise ValueError(f"{suite.name} has no {word} for {what}; it has {has}")


def _listed(words):
  return ", ".join(words)

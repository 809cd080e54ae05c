"""Splits by what the names of files say, such as `train[speaker!=george]`.

A split is a name, or a name with brackets that hold a slice, as TFDS has them
(`train[:10%]`), or conditions with commas between them, all of which must hold:

    all[speaker=george]                   all[speaker!=george]
    train[5<=recording<10]                train[take<2,speaker!=theo]

The names in the conditions are the fields of a pattern of the file names:
`{digit}_{speaker}_{recording}.wav`.
"""

from collections.abc import Mapping, Sequence
import operator
import re
import types
from typing import Any, NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from dmjax import names as names_lib

_OPERATORS = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le,
    ">": operator.gt, ">=": operator.ge,
}
_SPLIT = re.compile(r"(\w+)(?:\[(.*)\])?")
_CONDITION = re.compile(
    r"(?:(\d+)\s*(<=|<))?\s*(\w+)\s*(?:(!=|<=|>=|<|>|=)\s*([^=<>!]+))?"
)
_MIRRORED = {"<": ">", "<=": ">="}


class FileNames(NamedTuple):
  """What the names of the files of a dataset tell.

  Attributes:
    pattern: Of a name, with fields as `{speaker}`; empty where they tell
      nothing.
    splits: Splits that are no splits of the files: the one that they are part
      of, and their conditions.
    domain: The field that says which domain a file comes from, where the
      pattern has it.
  """

  pattern: str = ""
  splits: Mapping[str, tuple[str, str]] = types.MappingProxyType({})
  domain: str = "domain"


class Condition(NamedTuple):
  """`key operator value`; the value is a number where it looks like one."""

  key: str
  operator: str
  value: str | int


def parse(split: str) -> tuple[str, str]:
  """`train[:10%]` -> `("train", ":10%")`, and `train` -> `("train", "")`.

  Raises:
    ValueError: For what is no name, with or without brackets.
  """
  match = _SPLIT.fullmatch(split)
  if not match or match[2] == "":
    raise ValueError(
        f"split {split!r} must be a name, as 'train', or a name with a slice or"
        " conditions, as 'train[:10%]' or 'train[speaker!=george]'"
    )
  return match[1], match[2] or ""


def is_slice(inside: str) -> bool:
  """Whether the inside of brackets is a slice, and not conditions."""
  return ":" in inside and not any(mark in inside for mark in "<=>")


def choose(
    names: Sequence[str], pattern: str, insides: Sequence[str], where: str
) -> np.ndarray:
  """The rows that slices and conditions leave, one after another.

  Args:
    names: The file name of each row.
    pattern: Of the names.
    insides: Slices and conditions; empty ones leave all.
    where: What they are of, for error messages: `of 'digits', split 'test'`.

  Returns:
    `int[N]`, ascending.

  Raises:
    ValueError: For a name that does not fit the pattern, for what is neither
      slice nor condition, for unknown keys and values, and where no row is
      left.
  """
  rows, fields = np.arange(len(names)), None
  for inside in filter(None, insides):
    if is_slice(inside):
      rows = rows[_slice(inside, len(rows), where)]
      continue
    fields = fields or _fields(names, pattern, where)
    for condition in _conditions(inside, where):
      rows = rows[_holds(condition, fields, where)[rows]]
  if not rows.size:
    raise ValueError(f"no file is left {where}")
  return rows


def has_domains(names_of: FileNames) -> bool:
  """Whether the names tell of domains."""
  return f"{{{names_of.domain}}}" in names_of.pattern


def domains(
    names: Sequence[str], names_of: FileNames, where: str
) -> tuple[list[str], np.ndarray]:
  """The domains that names of files tell of, and that of each.

  Args:
    names: The file names.
    names_of: What they tell, of which domains are a part.
    where: What they are of, for error messages.

  Returns:
    Names of the domains, sorted, and `int[N]`.

  Raises:
    ValueError: For a name that does not fit the pattern.
  """
  found = _fields(names, names_of.pattern, where)[names_of.domain].astype(str)
  known, numbers = np.unique(found, return_inverse=True)
  return known.tolist(), numbers


def labels(
    names: Sequence[str], pattern: str, key: str, where: str
) -> tuple[np.ndarray, tuple[str, ...]]:
  """Labels by a field of the names, and the classes: its values, sorted.

  Args:
    names: The file name of each row.
    pattern: Of the names.
    key: The field.
    where: What they are of, as in `choose`.

  Returns:
    `int[N]`, and the names of the classes.

  Raises:
    ValueError: Without a pattern, for a name that does not fit it, and an
      unknown field.
  """
  fields = _fields(names, pattern, where)
  if key not in fields:
    raise ValueError(
        f"data.sound.label={key!r} must be a field of the file names {where};"
        f" {names_lib.suggest(key, fields)}"
    )
  values = sorted(set(fields[key]), key=lambda v: (isinstance(v, str), v))
  places = {value: place for place, value in enumerate(values)}
  return np.array([places[v] for v in fields[key]]), tuple(map(str, values))


def _slice(inside, size, where):
  """As TFDS slices a split, here of any rows."""
  split_info = types.SimpleNamespace(num_examples=size, shard_lengths=[size])
  try:
    found = tfds.core.ReadInstruction.from_spec(f"rows[{inside}]")
    (part,) = found.to_absolute({"rows": split_info})
  except ValueError as error:
    reason = str(error).splitlines()[-1].replace(f"rows[{inside}]", inside)
    raise ValueError(f"[{inside}] {where}: {reason}") from None
  return slice(part.from_, part.to)


def _conditions(text, where):
  found = []
  for part in text.split(","):
    match = _CONDITION.fullmatch(part.strip())
    if not match or not (match[1] or match[4]):
      raise ValueError(
          f"{part.strip()!r} {where} is no condition; write one as speaker=ann,"
          " speaker!=ann, take<5 or 5<=take<10, with commas between several, or"
          " a slice as :10%"
      )
    below, first, key, second, value = match.groups()
    if below:
      found.append(Condition(key, _MIRRORED[first], int(below)))
    if second:
      found.append(Condition(key, second, _value(value.strip())))
  return found


def _value(text):
  return int(text) if text.isdecimal() else text


def _fields(names, pattern, where) -> dict[str, np.ndarray]:
  """The values of each field of the pattern, one a name."""
  if not pattern:
    raise ValueError(
        f"conditions and labels {where} need a pattern of the file names; set one"
        " with --config.data.sound.names, as '{speaker}_{take}.wav'"
    )
  fits, found = _compiled(pattern), []
  for name in names:
    match = fits.fullmatch(name)
    if not match:
      raise ValueError(
          f"file name {name!r} {where} does not fit the pattern {pattern!r}"
      )
    found.append([_value(value) for value in match.groups()])
  columns = zip(*found)
  return {
      key: np.array(column, object)
      for key, column in zip(fits.groupindex, columns)
  }


def _compiled(pattern):
  """`{speaker}_{take}.wav` as a regular expression with named groups."""
  parts = re.split(r"\{(\w+)\}", pattern)
  parts[::2] = map(re.escape, parts[::2])
  parts[1::2] = [f"(?P<{key}>.+?)" for key in parts[1::2]]
  try:
    return re.compile("".join(parts))
  except re.error as error:  # Such as a field that is there twice.
    raise ValueError(
        f"pattern {pattern!r} of file names must have fields as"
        f" '{{speaker}}_{{take}}.wav', each once: {error}"
    ) from None


def _holds(condition: Condition, fields: Mapping[str, Any], where: str):
  """`bool[N]`: the rows for which a condition holds."""
  if condition.key not in fields:
    raise ValueError(
        f"file names {where} have no {condition.key!r};"
        f" {names_lib.suggest(condition.key, fields)}"
    )
  values = fields[condition.key]
  _check_value(condition, values, where)
  return _OPERATORS[condition.operator](values, condition.value).astype(bool)


def _check_value(condition, values, where):
  key, sign, value = condition
  if sign in ("=", "!="):
    if value not in values:
      known = map(str, set(values))
      raise ValueError(
          f"no file {where} has {key}={value};"
          f" {names_lib.suggest(str(value), known)}"
      )
  elif not all(isinstance(each, int) for each in (value, *values)):
    raise ValueError(
        f"{key}{sign}{value} {where} must compare whole numbers, but {key} is"
        f" as {str(values[0])!r}; only = and != compare names"
    )

"""Sources made of another: some of its rows, other labels, domains."""

from collections.abc import Sequence

import numpy as np

from dmjax.data import base


def subset(source: base.Source, rows: Sequence[int]) -> base.Source:
  """Some of the examples of a source, in the order of `rows`.

  Args:
    source: The source.
    rows: Indices of its examples, from 0.

  Returns:
    The source.

  Raises:
    ValueError: For no rows, and for one that the source does not have.
  """
  rows = np.asarray(rows)
  if not rows.size or rows.min() < 0 or rows.max() >= source.size:
    raise ValueError(
        f"rows must be indices in [0, {source.size}), one at least, got {rows}"
    )
  return source._replace(
      read=lambda index: source.read(rows[index]), size=len(rows), present=(),
      label=source.label and (lambda index: source.label(rows[index])),
      domain=source.domain and (lambda index: source.domain(rows[index])),
  )


def with_domains(
    source: base.Source, domain_names: Sequence[str], numbers: Sequence[int]
) -> base.Source:
  """The source, whose examples also say which domain they come from.

  Args:
    source: The source.
    domain_names: Names of the domains.
    numbers: The domain of each example, `int[size]`.

  Returns:
    The source; `domain` of an example is `int32`.
  """
  numbers = np.asarray(numbers, np.int32)

  def read(index):
    return source.read(index) | {"domain": numbers[index]}

  return source._replace(
      read=read, domain_names=tuple(domain_names),
      domain=lambda index: int(numbers[index]),
  )


def relabelled(
    source: base.Source, labels: Sequence[int], class_names: Sequence[str]
) -> base.Source:
  """The source with other labels, one for each of its rows.

  Args:
    source: The source.
    labels: `int[size]`, of classes that all have examples.
    class_names: Of the classes.

  Returns:
    The source.
  """

  def label(index):
    return int(labels[index])

  return source._replace(
      read=lambda index: source.read(index) | {"label": label(index)},
      class_names=tuple(class_names), present=tuple(class_names), label=label,
  )


def unlabelled(source: base.Source) -> base.Source:
  """The source without its labels: every one is 0, whatever it was."""

  def read(index):
    return source.read(index) | {"label": 0}

  return source._replace(read=read, present=(), label=None)

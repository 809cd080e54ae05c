"""Labelled subsets and wrong labels, both drawn by a seed."""

from concurrent import futures
import os
import re

import numpy as np
import tqdm

from dmjax.data import base

_SHARE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(%|per class)\s*")


def draw(source: base.Source, share: str, seed: int) -> np.ndarray:
  """The rows whose labels are used, in ascending order.

  Args:
    source: All examples; their labels are read, once.
    share: `4 per class`, or `15 %` of each class, one example at least.
    seed: Of the draw.

  Returns:
    `int[n]`, rows of the source.

  Raises:
    ValueError: For what is no share, and more labels than a class has.
  """
  amount, unit = parse(share)
  labels = read_all(source)
  rng = np.random.default_rng(seed)
  rows = []
  for label, name in enumerate(source.class_names):
    found = rng.permutation(np.flatnonzero(labels == label))
    count = amount if unit != "%" else max(1, round(len(found) * amount / 100))
    if count > len(found):
      raise ValueError(
          f"data.labels={share!r}: class {name!r} has {len(found)} examples"
      )
    rows.append(found[: int(count)])
  return np.sort(np.concatenate(rows))


def parse(share: str) -> tuple[float, str]:
  """`15 %` as `(15., "%")`; ValueError for what is no share."""
  match = _SHARE.fullmatch(share)
  amount = float(match[1]) if match else 0.0
  whole = match and (match[2] == "%" or amount == int(amount))
  if not (whole and 0 < amount and (match[2] != "%" or amount <= 100)):
    raise ValueError(
        "data.labels must be a share such as '4 per class' or '15 %', got"
        f" {share!r}"
    )
  return amount, match[2]


def read_all(source: base.Source) -> np.ndarray:
  """The labels of a source, `int[size]`; images are not decoded if possible."""
  label = source.label or (lambda index: source.read(index)["label"])
  with futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    found = tqdm.tqdm(
        pool.map(label, range(source.size)), "labels", source.size,
        unit="img", leave=False, delay=1.0,
    )
    return np.array(list(found), np.int32)


def with_noise(source: base.Source, share: float, seed: int) -> base.Source:
  """The source with a share of its labels replaced, each by another class.

  Symmetric noise: which labels are replaced does not depend on the class, and
  each of the other classes is as likely. The wrong labels of a share are among
  those of a larger one.

  Args:
    source: The source.
    share: In [0, 1), rounded to whole examples.
    seed: Of the draw.

  Returns:
    The source; its examples also have their `true_label`.

  Raises:
    ValueError: For a share out of range, and where there is no other class.
  """
  check_noise("share", share)
  if source.num_classes < 2:
    raise ValueError(
        "source must have two classes or more for wrong labels, got"
        f" {list(source.class_names)}"
    )
  # A stream of its own: `draw` may have the same seed.
  rng = np.random.default_rng((seed, 2))
  shift = rng.integers(1, source.num_classes, source.size)
  right = rng.permutation(source.size)[round(share * source.size) :]
  shift[right] = 0

  def noisy(index, label):
    if not 0 <= label < source.num_classes:
      return label  # Left to those who refuse it.
    return (label + int(shift[index])) % source.num_classes

  def read(index):
    example = source.read(index)
    true = int(example["label"])
    labels = {"label": noisy(index, true), "true_label": np.int32(true)}
    return example | labels

  return source._replace(
      read=read, present=(),
      label=source.label and (lambda i: noisy(i, int(source.label(i)))),
  )


def check_noise(name: str, share: float) -> None:
  """Raises ValueError, with the name, unless the share is in [0, 1)."""
  if not 0 <= share < 1:
    raise ValueError(
        f"{name} must lie in [0, 1), got {share!r}; 0.2 replaces a fifth of the"
        " labels"
    )

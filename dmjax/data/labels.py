"""Labelled subsets: a few labels of each class, drawn by a seed."""

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

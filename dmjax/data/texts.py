"""Texts: sentences as tokens `int32[T]`, 0 for padding at their end.

The tokenizer is learned from the training texts alone, and kept with a run.
"""

from collections.abc import Callable, Mapping, Sequence
import functools
import pathlib
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core import read_only_builder

from dmjax import augment
from dmjax import models
from dmjax import names
from dmjax.data import base
from dmjax.data import options
from dmjax.data import tables
from dmjax.data import tokens
from dmjax.data import tsv_files

KIND = "text"

# The options `data.text`.
DEFAULTS: Mapping[str, Any] = {
    # Tokens of an example: a longer text is cut at its end.
    "max_length": 40,
    # Tokens that are known, two of which are padding and whatever is unknown.
    "vocabulary": 2000,
    # Tokens are `words`, or `pieces` of words (byte-pair encoding).
    "tokens": "words",
    # Of the strong view, by EDA: shares of the tokens that are swapped, and
    # chances of each to be deleted, or replaced by any other.
    "swap": 0.1,
    "delete": 0.1,
    "replace": 0.1,
    # The label of a dataset that has several, such as `label-fine`; the first
    # one if empty.
    "label": "",
}
_LEAST = {"max_length": 1, "vocabulary": 3}


def recognises(features: Mapping[str, Any], key: Any) -> bool:
  """Whether the input of a dataset is a text.

  Args:
    features: Of the dataset.
    key: Of the input. Where it is none, as without supervised keys, a dataset
      of one text and classes is recognised.

  Returns:
    Whether it is.
  """
  if isinstance(key, Mapping):
    return False
  if key in features:
    return _is_text(features[key])
  texts, classes = _keys(features, _is_text), _keys(features, _is_class)
  return len(texts) == 1 and bool(classes)


def _is_text(feature):
  return isinstance(feature, tfds.features.Text)


def _is_class(feature):
  return isinstance(feature, tfds.features.ClassLabel)


def _keys(features, fits):
  return sorted(key for key in features if fits(features[key]))


def open_dataset(
    builder: tfds.core.DatasetBuilder, name: str, split: str, data: Any
) -> base.Source:
  """A split of a TFDS dataset, read whole: 7,000 sentences take a second.

  Args:
    builder: Of the dataset.
    name: Of it, for errors.
    split: The split.
    data: The `data` section; `train` names the split of the tokenizer.

  Returns:
    The source.

  Raises:
    ValueError: For a split or a label that is not there, a label without
      classes, and options of `data.text` out of range.
  """
  base.check_split(builder, name, split)
  text, label = _text_and_label(builder, name, _options(data)["label"])
  rows = tables.read_all(builder.as_data_source(split))
  found = tsv_files.Texts(
      [_decode(row[text]) for row in rows], [int(row[label]) for row in rows],
      tuple(builder.info.features[label].names),
  )
  folder = str(builder.data_dir)
  training = functools.partial(_texts, folder, data.get("train", "train"), text)
  return source_of(found, training, data)


def _text_and_label(builder, name, asked):
  features, keys = builder.info.features, builder.info.supervised_keys
  classes = _keys(features, _is_class)
  text, label = keys or (_keys(features, _is_text)[0], classes[0])
  label = asked or label
  if label not in classes:
    raise ValueError(
        f"label {label!r} of dataset {name!r} must be a ClassLabel, one of"
        f" {classes}; name it with --config.data.text.label"
    )
  return text, label


@functools.lru_cache(maxsize=2)
def _texts(folder, split, key):
  builder = read_only_builder.builder_from_directory(folder)
  base.check_split(builder, builder.name, split)
  rows = tables.read_all(builder.as_data_source(split))
  return tuple(_decode(row[key]) for row in rows)


def _decode(text):
  return text.decode("utf-8", errors="replace")


def open_folder(folder: pathlib.Path, split: str, data: Any) -> base.Source:
  """The file `<split>.tsv` of a folder, see `tsv_files.read`.

  Args:
    folder: The folder.
    split: Name of the file, without its suffix.
    data: The `data` section; `train` names the file of classes and tokenizer.

  Returns:
    The source.

  Raises:
    ValueError: See `tsv_files.read`; and for options of `data.text`.
  """
  found, training = tsv_files.read(folder, split, data.get("train", "train"))
  return source_of(found, training, data)


def source_of(
    found: tsv_files.Texts, training: Callable[[], Sequence[str]], data: Any
) -> base.Source:
  """Texts as tokens.

  Args:
    found: The texts of a split.
    training: `() -> texts` that a tokenizer is learned of, where `data` holds
      none as its `reader`.
    data: The `data` section.

  Returns:
    The source.

  Raises:
    ValueError: For no texts, and options of `data.text` out of range.
  """
  text, labels = _options(data), found.labels
  if not labels:
    raise ValueError("there must be texts, got none: the split is empty")
  reader = data.get("reader") or tokens.learn(
      training(), kind=text["tokens"], vocabulary=text["vocabulary"],
      length=text["max_length"],
  )
  x = tokens.encode(reader, found.texts)
  x.setflags(write=False)
  return base.Source(
      lambda index: {"x": x[int(index)], "label": labels[int(index)]},
      len(x), found.class_names, KIND, found.present,
      label=lambda index: labels[int(index)], mean=(), std=(), reader=reader,
  )


def _options(data):
  text = {**DEFAULTS, **data.get(KIND, {})}
  if text["tokens"] not in tokens.KINDS:
    near = names.suggest(text["tokens"], tokens.KINDS)
    raise ValueError(f"unknown data.text.tokens {text['tokens']!r}; {near}")
  for key, least in _LEAST.items():
    if text[key] < least:
      raise ValueError(f"data.text.{key} must be >= {least}, got {text[key]}")
  for key in ("swap", "delete", "replace"):
    if not 0 <= text[key] <= 1:
      raise ValueError(f"data.text.{key} must lie in [0, 1], got {text[key]}")
  return text


def make_views(config: Any) -> dict[str, base.View]:
  """The views of a training text: `weak` as it is, `strong` by EDA.

  Args:
    config: The configuration.

  Returns:
    `(key, x) -> x` by name.
  """
  text = _options(config.data)
  steps = (
      functools.partial(augment.swap_tokens, share=text["swap"]),
      functools.partial(augment.delete_tokens, p=text["delete"]),
      functools.partial(
          augment.replace_tokens, p=text["replace"],
          vocabulary=text["vocabulary"],
      ),
  )
  strong = functools.partial(augment.chain, steps=steps)
  return {"weak": lambda key, x: x, "strong": strong}


def check(config: Any, example: base.Arrays) -> None:
  """Raises ValueError for options of images, and a network of fewer tokens.

  Args:
    config: The configuration.
    example: A batch of one row.
  """
  del example
  options.check_no_image_options(config, KIND)
  most = _options(config.data)["vocabulary"]
  model = models.options_of(config.model.name) | config.model.to_dict()
  if model.get("vocabulary", most) < most:
    raise ValueError(
        f"model.vocabulary must be that of data.text, {most}, or more, got"
        f" {model['vocabulary']}; set --config.model.vocabulary={most}"
    )


def read_file(source: base.Source, path: pathlib.Path) -> np.ndarray:
  """A file of text as the tokens `int32[T]` of a source."""
  return encode(source, [path.read_text("utf-8", errors="replace")])[0]


def encode(source: base.Source, texts: Sequence[str]) -> np.ndarray:
  """Texts as a run reads them: `encode(run.sources["train"], ["so good"])`.

  Args:
    source: Of a run, also of a loaded one, whose data need not be there.
    texts: `N` of them.

  Returns:
    `int32[N, T]`.
  """
  return tokens.encode(source.reader, texts)


def points(x: Any) -> np.ndarray:
  """Texts `[B, T]` as bags of their tokens, of length 1, `[B, D]`."""
  x = np.asarray(x)
  known = np.unique(x[x != 0])
  bags = np.stack([(x == token).sum(axis=1) for token in known], axis=1)
  return bags / np.maximum(np.linalg.norm(bags, axis=1, keepdims=True), 1e-9)


DOMAIN = base.Domain(
    unit="sentences",
    recognises=recognises,
    open=open_dataset,
    holds=tsv_files.holds,
    open_folder=open_folder,
    views=make_views,
    check=check,
    points=points,
    read_file=read_file,
)

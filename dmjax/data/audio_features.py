"""TFDS datasets of sound, read without TensorFlow."""

from collections.abc import Iterator, Mapping
import contextlib
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core.features import audio_feature

from dmjax import names as names_lib
from dmjax.data import base
from dmjax.data import derived
from dmjax.data import file_names
from dmjax.data import speech_commands
from dmjax.data import spoken_digit
from dmjax.data import unreadable
from dmjax.data import wav_files

# What is known of datasets beyond their features: RATE and NAMES.
_KNOWN = {"speech_commands": speech_commands, "spoken_digit": spoken_digit}


class _Decoder(audio_feature._EagerDecoder):
  """That of TFDS, which asks TensorFlow for the name of a type and drops it."""

  def __init__(self, file_format, np_dtype, shape):  # Not that of its base.
    self._file_format, self._np_dtype = file_format, np_dtype
    self._shape, self._channels = shape, shape[1] if len(shape) > 1 else 1


@contextlib.contextmanager
def audio_without_tensorflow() -> Iterator[None]:
  """Lets TFDS make `Audio` features, when it opens files, without TensorFlow.

  Their samples are read as those of any tensor; TensorFlow is only asked for
  when their decoder is made. Those that hold encoded files (`lazy_decode`) do
  need it.
  """
  original = audio_feature._EagerDecoder
  audio_feature._EagerDecoder = _Decoder
  try:
    yield
  finally:
    audio_feature._EagerDecoder = original


def recognises(features: Mapping[str, Any], key: Any) -> bool:
  """Whether the input of a dataset is declared as sound, or has its shape.

  Args:
    features: Of the dataset.
    key: Of the input.

  Returns:
    True for `Audio`, and for integers in one row of any length.
  """
  feature = features.get(key) if isinstance(key, str) else None
  if isinstance(feature, tfds.features.Audio):
    return True
  return (
      isinstance(feature, tfds.features.Tensor)
      and tuple(feature.shape) == (None,)
      and np.issubdtype(feature.np_dtype, np.integer)
  )


def open_dataset(
    builder: tfds.core.DatasetBuilder,
    name: str,
    split: str,
    *,
    rate: int = 0,
    pattern: str = "",
    label: str = "",
) -> tuple[base.Source, int]:
  """The recordings of a split, and their rate.

  Args:
    builder: Of a dataset that is prepared.
    name: Of the dataset.
    split: In TFDS syntax, or with conditions, see `file_names`.
    rate: Samples per second, where the dataset does not say.
    pattern: Of the file names; that of the dataset if empty.
    label: The field of the file names that is the label; that of the dataset
      if empty.

  Returns:
    The source, with samples `int16[S]` of any length, and their rate.

  Raises:
    ValueError: For an unknown split, an unknown rate, samples that are no
      integers, labels that are no classes; and see `file_names`.
  """
  key, label_key = base.keys_of(builder)
  features, known = builder.info.features, _KNOWN.get(builder.name)
  _check(features, key, label_key, name)
  rate = _rate_of(features[key], known, rate, name)
  known = known.NAMES if known else file_names.FileNames()
  names_of = known._replace(pattern=pattern or known.pattern)
  whole, rows = _rows(builder, name, split, names_of)
  where = f"of {name!r}, split {whole!r}"
  source = _source(builder, where, whole)
  source = source if rows is None else derived.subset(source, rows)
  if label:
    found = np.array(_names(builder, whole, where))
    found = found if rows is None else found[rows]
    labelled = file_names.labels(found, names_of.pattern, label, where)
    source = derived.relabelled(source, *labelled)
  if file_names.has_domains(names_of):
    found = np.array(_names(builder, whole, where))
    found = found if rows is None else found[rows]
    source = derived.with_domains(
        source, *file_names.domains(found, names_of, where)
    )
  return source, rate


def _source(builder, where, whole):
  key, label_key = base.keys_of(builder)
  audio, labels = builder.as_data_source(whole), _without_sound(builder, whole)

  def read(index):
    example = audio[int(index)]
    samples = _plain(example[key], f"example {index} {where}")
    return {"x": samples, "label": int(example[label_key])}

  return base.Source(
      read, len(audio), tuple(builder.info.features[label_key].names), "sound",
      label=lambda index: int(labels[int(index)][label_key]),
  )


def _rows(builder, name, split, names_of):
  """The split of TFDS, and the rows of it; None for all of them."""
  splits = names_of.splits
  parts = [file_names.parse(part) for part in split.split("+")]
  _check_splits(parts, {*splits, *builder.info.splits}, name)
  if len(parts) > 1:
    return _sum(parts, splits, split), None
  (first, inside), = parts
  whole, conditions = splits.get(first, (first, ""))
  if not conditions and (not inside or file_names.is_slice(inside)):
    return whole + f"[{inside}]" * bool(inside), None
  where = f"of {name!r}, split {split!r}"
  if conditions:
    where += f" ({first!r} has {conditions})"
  names = _names(builder, whole, where)
  insides = [conditions, inside]
  return whole, file_names.choose(names, names_of.pattern, insides, where)


def _check_splits(parts, known, name):
  for split, _ in parts:
    if split not in known:
      raise ValueError(
          f"dataset {name!r} has no split {split!r};"
          f" {names_lib.suggest(split, known)}"
      )


def _sum(parts, splits, split):
  """A sum of splits as TFDS has it; its parts must be splits of the files."""
  for first, inside in parts:
    if first in splits or inside and not file_names.is_slice(inside):
      raise ValueError(
          f"split {split!r} adds {first!r}, which file names choose; only"
          " splits that TFDS prepared can be added, whole or in slices"
      )
  return split


def _names(builder, whole, where):
  """The file name of each example of a split."""
  name_key = f"{base.keys_of(builder)[0]}/filename"
  if name_key not in builder.info.features:
    raise ValueError(
        f"conditions {where} need file names, and its features lack"
        f" {name_key!r}"
    )
  found = _without_sound(builder, whole)
  return [found[row][name_key].decode() for row in range(len(found))]


def _without_sound(builder, split):
  skip = {base.keys_of(builder)[0]: tfds.decode.SkipDecoding()}
  return builder.as_data_source(split, decoders=skip)


def _check(features, key, label_key, name):
  if not np.issubdtype(features[key].np_dtype, np.integer):
    raise ValueError(
        f"{key!r} of {name!r} must be integers of 16 bits, got"
        f" {features[key].np_dtype}"
    )
  if not isinstance(features[label_key], tfds.features.ClassLabel):
    raise ValueError(
        f"{label_key!r} of {name!r} must be a class label, got"
        f" {features[label_key]}"
    )


def _rate_of(feature, known, rate, name):
  said = getattr(feature, "sample_rate", 0) or (known.RATE if known else 0)
  if not said and not rate:
    raise ValueError(
        f"dataset {name!r} does not say its rate; set --config.data.sound.rate"
        " to the samples a second"
    )
  return said or rate


def _plain(samples, where):
  """Samples of any type as `int16[S]`; Unreadable where they are not."""
  samples = np.asarray(samples)
  limits = np.iinfo(np.int16)
  if not samples.size:
    raise unreadable.Unreadable(f"{where}: it has no samples")
  if samples.min() < limits.min or samples.max() > limits.max:
    raise unreadable.Unreadable(
        f"{where}: samples must be of 16 bits, got {samples.min()} to"
        f" {samples.max()}"
    )
  return wav_files.average(samples)

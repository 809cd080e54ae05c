"""Files of sound, `.wav`, and folders of them."""

import hashlib
import os
import pathlib
import wave

import numpy as np

from dmjax.data import base
from dmjax.data import derived
from dmjax.data import file_names
from dmjax.data import unreadable

SUFFIX = ".wav"
# The split of a folder that has none.
ALL = "all"
# Headers read, at most, to tell whether all files have one rate.
_HEADERS = 10_000
# Files looked at in a folder, at most, to tell what it holds.
_LOOK = 100


def read(path: os.PathLike[str] | str) -> tuple[np.ndarray, int]:
  """A file of PCM samples of 8, 16, 24 or 32 bits.

  Args:
    path: Of the file.

  Returns:
    `int16[S]`, the mean of the channels, and the samples per second. Samples of
    more than 16 bits lose the last ones.

  Raises:
    unreadable.Unreadable: For a file that is none of these, or is damaged.
  """
  try:
    with wave.open(os.fspath(path), "rb") as file:
      count, channels = file.getnframes(), file.getnchannels()
      data = file.readframes(count)
      samples = _sixteen_bits(data, file.getsampwidth(), channels)
      rate = file.getframerate()
  # The module raises EOFError, wave.Error and others for what it cannot read.
  except Exception as error:  # pylint: disable=broad-except
    raise unreadable.Unreadable(f"{path}: {_reason(path, error)}") from None
  if not count or len(samples) != count:
    raise unreadable.Unreadable(
        f"{path}: the file has {len(samples)} of {count} samples"
    )
  return samples, rate


def read_at(rate: int, path: os.PathLike[str] | str) -> np.ndarray:
  """`read`, of a file that must have this rate, or is Unreadable."""
  samples, found = read(path)
  if found != rate:
    raise unreadable.Unreadable(
        f"{path}: the rate is {found} samples a second, and must be {rate}"
    )
  return samples


def _sixteen_bits(data, width, channels):
  """The bytes of a file as `int16[S]`; what is half a sample is left out."""
  whole = len(data) // (width * channels) * width * channels
  raw = np.frombuffer(data[:whole], np.uint8).reshape(-1, width)
  if width == 1:  # The only ones without a sign.
    samples = (raw[:, 0].astype(np.int16) - 128) * 256
  else:
    samples = np.ascontiguousarray(raw[:, -2:]).view("<i2")[:, 0]
  return average(samples.reshape(-1, channels))


def average(samples: np.ndarray) -> np.ndarray:
  """Channels `int[S, C]`, or samples `int[S]`, as `int16[S]`."""
  if samples.ndim == 2:
    only = samples.shape[1] == 1
    samples = samples[:, 0] if only else np.round(samples.mean(axis=1))
  return samples.astype(np.int16)


def _reason(path, error):
  if isinstance(error, EOFError) and not os.path.getsize(path):
    return "the file is empty"
  if isinstance(error, EOFError):
    return "the file ends within its header"
  if isinstance(error, wave.Error):
    return f"{error}; save it as plain PCM of 8 to 32 bits"
  return getattr(error, "strerror", None) or str(error) or type(error).__name__


def rate_of(path: os.PathLike[str] | str) -> int:
  """Samples per second, by the header; 0 for a file that cannot be read."""
  try:
    with wave.open(os.fspath(path), "rb") as file:
      return file.getframerate()
  except Exception:  # pylint: disable=broad-except
    return 0  # Reading tells what is wrong with it.


def holds(root: pathlib.Path) -> bool:
  """Whether a folder has recordings in `<class>/` or in `<split>/<class>/`."""
  folders = [*_folders(root)]
  inner = (found for folder in folders for found in _folders(folder))
  return any(map(_has_recordings, folders)) or any(map(_has_recordings, inner))


def _folders(path):
  try:
    folders = [entry for entry in path.iterdir() if entry.is_dir()]
    return [entry for entry in folders if not entry.name.startswith(".")]
  except PermissionError:  # Such as lost+found.
    return []


def _has_recordings(folder):
  try:
    with os.scandir(folder) as entries:
      first = zip(range(_LOOK), entries)
      return any(entry.name.lower().endswith(SUFFIX) for _, entry in first)
  except PermissionError:
    return False


def open_folder(
    root: pathlib.Path, split: str, pattern: str = "", label: str = ""
) -> tuple[base.Source, int]:
  """A split of a folder `root/<split>/<class>/*.wav`, or `root/<class>/*.wav`.

  The latter is the split `all`. Conditions and slices in brackets, see
  `file_names`, leave a part of either. Hidden files and folders are ignored.

  Args:
    root: The folder.
    split: The split.
    pattern: Of the file names, without which there are no conditions; what it
      calls `domain` is the domain of a file.
    label: The field of the file names that is the label; the folder if empty.

  Returns:
    The source, with samples `int16[S]` of any length, and their rate. Its order
    does not depend on the classes, which are those of this split and of the
    splits that share one with it.

  Raises:
    ValueError: Where the split is not there or holds one class, where files
      have several rates, and see `file_names`.
  """
  name, inside = file_names.parse(split)
  splits = _listed(root)
  _check_split(root, name, splits)
  class_names, found = _class_names(splits, name), splits[name]
  _check_classes(root / name, class_names)
  where = f"of {os.fspath(root)!r}, split {split!r}"
  files = [path.name for path, _ in found]
  rows = file_names.choose(files, pattern, [inside], where)
  rate, names_of = _rate(splits), file_names.FileNames(pattern)
  source = _source([found[row] for row in rows], class_names, rate)
  if label:
    chosen = [files[row] for row in rows]
    labelled = file_names.labels(chosen, pattern, label, where)
    source = derived.relabelled(source, *labelled)
  if file_names.has_domains(names_of):
    files = [files[row] for row in rows]
    source = derived.with_domains(
        source, *file_names.domains(files, names_of, where)
    )
  return source, rate


def _source(files, class_names, rate):
  labels = [class_names.index(name) for _, name in files]

  def read_row(index):
    path, _ = files[int(index)]
    return {"x": read_at(rate, path), "label": labels[int(index)]}

  return base.Source(
      read_row, len(files), tuple(class_names), "sound",
      tuple(class_names[label] for label in sorted(set(labels))),
      label=lambda index: labels[int(index)],
  )


def _check_split(root, name, splits):
  if name not in splits:
    raise ValueError(
        f"{root} has no recordings {name}/<class>/*{SUFFIX}; it has the splits"
        f" {sorted(splits)} ({ALL!r} is for <class>/*{SUFFIX})"
    )


def _check_classes(folder, class_names):
  if len(class_names) < 2:
    raise ValueError(
        f"{folder} holds recordings of one class only, {class_names}; there"
        " must be two at least, each in a folder of its own"
    )


def _listed(root):
  """`{split: [(path, class)]}`, in the order of a checksum of the paths.

  Slices of a split that is sorted by class would lack classes.
  """
  found = {}
  for directory, folders, files in os.walk(root):
    folders[:] = [name for name in folders if not name.startswith(".")]
    inner = pathlib.Path(directory).relative_to(root).parts
    if not inner:
      continue
    split, name = inner[:2] if len(inner) > 1 else (ALL, inner[0])
    found.setdefault(split, []).extend(
        (pathlib.Path(directory, file), name) for file in files
        if file.lower().endswith(SUFFIX) and not file.startswith(".")
    )
  checksum = lambda pair: _checksum(pair[0].relative_to(root))
  return {k: sorted(v, key=checksum) for k, v in found.items() if v}


def _checksum(path):
  return hashlib.sha1(path.as_posix().encode()).digest()


def _class_names(splits, split):
  classes = {name: {k for _, k in files} for name, files in splits.items()}
  related = [own for own in classes.values() if own & classes[split]]
  return sorted(set().union(*related))


def _rate(splits):
  """That of all splits, by headers spread over the files."""
  paths = [path for files in splits.values() for path, _ in files]
  rates = {}
  for path in paths[:: -(-len(paths) // _HEADERS)]:
    rates.setdefault(rate_of(path), path)
  rates.pop(0, None)
  if len(rates) != 1:
    found = ", ".join(f"{path}: {rate}" for rate, path in rates.items())
    raise ValueError(
        "all files must have one rate in samples a second, got"
        f" {found or 'none that can be read'}; convert them to one rate"
    )
  return next(iter(rates))

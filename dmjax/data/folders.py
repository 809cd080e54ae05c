"""A folder of images as a dataset: `root/<split>/<class>/*`.

One that is laid out by domains, `root/<domain>/<class>/*`, is the split `all`.
"""

import itertools
import logging
import os
import pathlib

import tqdm

from dmjax.data import base
from dmjax.data import derived
from dmjax.data import pictures

_SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm",
    ".pgm",
)
# The split of a folder that is laid out by domains.
ALL = "all"
# What archives of macOS and network drives leave in every folder.
_LEFT_BEHIND = ("__MACOSX", "@eaDir")
# Headers read, at most, to tell whether a set has colour.
_HEADERS = 10_000


def open_folder(root: pathlib.Path, split: str) -> base.Source:
  """Opens a split of a folder.

  A class is a folder in that of a split, with images in it or in folders in it;
  hidden folders and those named as a split are none. Other files are ignored.
  Where one image of the splits has colour, grey ones are read as RGB.

  Args:
    root: The folder.
    split: Name of its sub-folder; `all`, where none is named so, for all of them,
      each of which is a domain.

  Returns:
    The source. Its classes are those of this split and of the splits that share
    one with it, so that labels agree.

  Raises:
    ValueError: Where the split is not there, or holds no images or one class.
  """
  if split == ALL and split not in _folders(root):
    return _open_domains(root)
  if split not in _folders(root):
    raise ValueError(f"{root} has no folder {split!r}; it has {_folders(root)}")
  splits = _related(_listed(root), split)
  own = splits[split]
  names = sorted(set().union(*splits.values()))
  _check(root / split, own, names)
  labels = {name: label for label, name in enumerate(names)}
  files = [(path, labels[name]) for name in own for path in own[name]]
  read = _reader(files, _any_colour(splits))
  return base.Source(
      read, len(files), tuple(names), present=tuple(own),
      label=lambda row: files[int(row)][1],
  )


def _open_domains(root):
  """All images, and the folder of a folder of classes that each is in."""
  domains = {k: v for k, v in _listed(root).items() if v}
  found = [
      (path, name, domain) for domain, classes in domains.items()
      for name, paths in classes.items() for path in paths
  ]
  names = sorted({name for _, name, _ in found})
  _check(root / "<domain>", found, names)
  files = [(path, names.index(name)) for path, name, _ in found]
  source = base.Source(
      _reader(files, _any_colour(domains)), len(files), tuple(names),
      present=tuple(names), label=lambda row: files[int(row)][1],
  )
  numbers = [list(domains).index(domain) for _, _, domain in found]
  return derived.with_domains(source, tuple(domains), numbers)


def _reader(files, colour):
  def read(row):
    path, label = files[int(row)]
    pixels = pictures.read_file(path)
    # Colour that was overlooked stays, for a check of shapes to find.
    pixels = pictures.with_channels(pixels, 3) if colour else pixels
    return {"x": pixels, "label": label}

  return read


def _check(folder, own, names):
  if not own:
    raise ValueError(
        f"{folder} holds no images <class>/*.png (or"
        f" {', '.join(_SUFFIXES[1:])}); folders that are hidden, or named as a"
        " split, are no classes"
    )
  if len(names) < 2:
    raise ValueError(
        f"{folder} holds images of one class only, {names}; there must be two"
        " at least, each in a folder that is not hidden nor named as a split"
    )


def _listed(root):
  """`{split: {class: paths}}` of all the folders of a root with images."""
  found = {split: {} for split in _folders(root)}
  pairs = [(s, name) for s in found for name in _folders(root / s)]
  for split, name in tqdm.tqdm(
      pairs, "listing", unit="folder", leave=False, delay=1.0
  ):
    paths = _images(root / split / name)
    if paths:
      found[split][name] = paths
  return found


def _related(found, split):
  """The splits that share a class with this one, and it; their classes."""
  splits = [
      name for name, classes in found.items()
      if name == split or classes.keys() & found[split].keys()
  ]
  for name in found[split].keys() & set(splits):
    logging.warning("%s/%s is named as a split: not a class", split, name)
  return {
      name: {k: v for k, v in found[name].items() if k not in splits}
      for name in splits
  }


def _folders(path: pathlib.Path) -> list[str]:
  """Names of the folders in one; of none in one that may not be read."""
  try:
    with os.scandir(path) as entries:
      found = [entry.name for entry in entries if entry.is_dir()]
  except PermissionError:  # Such as lost+found.
    return []
  return sorted(filter(_is_visible, found))


def _is_visible(name):
  return not name.startswith(".") and name not in _LEFT_BEHIND


def _images(folder: pathlib.Path) -> list[str]:
  paths = []
  for directory, folders, files in os.walk(folder, onerror=_refuse):
    folders[:] = sorted(filter(_is_visible, folders))
    paths += [
        os.path.join(directory, name) for name in sorted(files)
        if name.lower().endswith(_SUFFIXES)
    ]
  return paths


def _refuse(error):
  raise ValueError(f"{error.filename} cannot be listed: {error.strerror}")


def _any_colour(splits):
  lists = [paths for classes in splits.values() for paths in classes.values()]
  every = list(itertools.chain.from_iterable(lists))
  spread = every[:: -(-len(every) // _HEADERS)]
  return any(map(pictures.has_colour, spread))

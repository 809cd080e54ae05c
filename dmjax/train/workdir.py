"""The working directory of a run: whose it is, and what is known of it."""

from collections.abc import Mapping, Sequence
import copy
import json
import os
import pathlib
from typing import Any

import jax
import ml_collections
import numpy as np

from dmjax.data import base
from dmjax.data import derived
from dmjax.train import durations

CONFIG, DATA = "config.json", "data.json"
_FACTS = {"class_names", "kind", "shape", "size"}

# What a run may change when it goes on: how it is watched, and where its data
# lie. What others have published makes no other run either.
_FREE = (
    "checkpoint.", "data.dir", "data.workers", "evaluate.", "log.",
    "published.",
)


def check(workdir: pathlib.Path, config: Any) -> None:
  """Checks that a workdir is new, or holds a run of the same configuration.

  Args:
    workdir: The directory.
    config: The configuration. `log`, `evaluate`, `checkpoint`, `data.dir` and
      `data.workers` may differ from that of the run, and `total` may be longer.

  Raises:
    ValueError: For a directory that holds something else, or a run of another
      configuration.
  """
  if not (workdir / CONFIG).is_file():
    if workdir.is_dir() and any(workdir.iterdir()):
      raise ValueError(
          f"workdir {str(workdir)!r} is not empty and holds no run of dmjax;"
          " choose another with --workdir"
      )
    return
  old, new = _read(workdir / CONFIG), json.loads(config.to_json())
  changed = [
      f"{key} was {was!r}, now {now!r}"
      for key, was, now in _differences(old, new)
      if not key.startswith(_FREE)
      and not (key == "total" and durations.grows(was, now))
  ]
  if changed:
    raise ValueError(
        f"workdir {str(workdir)!r} holds a run of another configuration:"
        f" {'; '.join(changed)}. Use another --workdir, or the same settings to"
        " resume"
    )


def claim(
    workdir: pathlib.Path,
    config: Any,
    sources: Mapping[str, base.Source],
    x: Any,
    labelled: Sequence[int] = (),
) -> None:
  """Writes down whose workdir it is; see `check`, which comes before.

  Args:
    workdir: The directory; made if missing.
    config: The configuration.
    sources: Of the run; what is noted is that of `train`, and the size of
      `unlabelled` if there is one.
    x: Inputs of a batch of theirs, `[B, ...]`.
    labelled: The rows whose labels are used, where not all are.

  Raises:
    ValueError: For a directory that cannot be written.
  """
  source = sources["train"]
  facts = {
      "class_names": source.class_names, "kind": source.kind,
      "shape": x.shape[1:], "size": source.size, "mean": source.mean,
      "std": source.std, "shared": bool(jax.tree.leaves(source.shared())),
      "dtype": str(x.dtype), "reader": source.reader,
  }
  if "unlabelled" in sources:
    facts["unlabelled_size"] = sources["unlabelled"].size
  if source.domain_names:
    facts["domain_names"] = source.domain_names
  if len(labelled):
    facts["labelled"] = [int(row) for row in labelled]
  try:
    workdir.mkdir(parents=True, exist_ok=True)
    if jax.process_index() == 0:
      write_whole(workdir / DATA, json.dumps(facts, indent=2) + "\n")
      text = config.to_json(indent=2, sort_keys=True)
      write_whole(workdir / CONFIG, text + "\n")
    (workdir / f".writable-{jax.process_index()}").touch()
    (workdir / f".writable-{jax.process_index()}").unlink()
  except OSError as error:
    raise ValueError(
        f"workdir {str(workdir)!r} cannot be written ({error.strerror});"
        " choose another with --workdir"
    ) from None


def with_absolute_paths(config: Any) -> Any:
  """The configuration with the places it names free of the current folder."""
  config = copy.deepcopy(config)
  places = (
      (config.data, "dir"), (config.mix, "workdir"), (config.method, "teacher"),
      (config, "pretrained"), (config, "init_from"),
  )
  for section, key in places:
    if section.get(key):
      section[key] = _absolute(section[key])
  name = config.data.name
  # Names of TFDS have slashes inside as well.
  if os.sep in name and pathlib.Path(name).expanduser().is_dir():
    config.data.name = _absolute(name)
  return config


def _absolute(path):
  return str(pathlib.Path(path).expanduser().absolute())


def write_whole(path: pathlib.Path, text: str) -> None:
  """Writes a file so that whoever reads it, whenever, finds all of it.

  Args:
    path: The file; replaced if it is there.
    text: What it holds afterwards.
  """
  part = path.with_suffix(".part")
  part.write_text(text, encoding="utf-8")
  part.replace(path)


def read_config(workdir: pathlib.Path) -> ml_collections.ConfigDict:
  """The configuration of the run in a working directory.

  Args:
    workdir: Of the run.

  Returns:
    The configuration.

  Raises:
    ValueError: Where there is no run, or its file is damaged.
  """
  if not (workdir / CONFIG).is_file():
    raise ValueError(f"--workdir: {str(workdir)!r} holds no run of dmjax")
  return ml_collections.ConfigDict(_with_tuples(_read(workdir / CONFIG)))


def _with_tuples(tree):
  """JSON knows lists alone; configurations hold tuples."""
  if isinstance(tree, dict):
    return {key: _with_tuples(value) for key, value in tree.items()}
  if isinstance(tree, list):
    return tuple(map(_with_tuples, tree))
  return tree


def blank_sources(workdir: pathlib.Path) -> dict[str, base.Source]:
  """Stand-ins for the data of a run: its classes, inputs of zeros.

  Args:
    workdir: Of the run.

  Returns:
    `train`, and `unlabelled` where there is one, for uses of a run that need no
    training data. None at all where examples share arrays, as those of a graph:
    such a run needs its data in any case.

  Raises:
    ValueError: Where it is not known what the data were.
  """
  if not (workdir / DATA).is_file():
    raise ValueError(f"--workdir: {str(workdir)!r} has no {DATA}")
  facts = _read(workdir / DATA)
  if lacking := _FACTS - set(facts):
    raise ValueError(f"{workdir / DATA} is damaged: it lacks {sorted(lacking)}")
  if facts.get("shared"):
    return {}
  # Pixels, and what else there is.
  dtype = facts.get("dtype", "float32")
  dtype = np.uint8 if facts.get("mean") is None else np.dtype(dtype)
  blank = np.zeros(facts["shape"], dtype)
  tuples = _with_tuples(facts)
  train = base.Source(
      lambda index: {"x": blank, "label": 0}, facts["size"],
      tuples["class_names"], facts["kind"], mean=tuples.get("mean"),
      std=tuples.get("std"), reader=facts.get("reader", ""),
  )
  if domains := tuples.get("domain_names"):
    train = derived.with_domains(train, domains, np.zeros(train.size, np.int32))
  found = {"train": train}
  if "unlabelled_size" in facts:
    found["unlabelled"] = train._replace(size=facts["unlabelled_size"])
  return found


def _read(path):
  try:
    found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
      raise ValueError(f"it holds {found!r:.40}")
    return found
  except ValueError as error:
    raise ValueError(
        f"{path} is damaged ({error}); restore it, or train anew with another"
        " --workdir"
    ) from None


def _differences(old, new, prefix=""):
  """Key, was and now of every leaf that differs between two nested dicts."""
  for key in sorted(set(old) | set(new)):
    was, now = old.get(key), new.get(key)
    if isinstance(was, dict) and isinstance(now, dict):
      yield from _differences(was, now, f"{prefix}{key}.")
    elif was != now and (was == was or now == now):  # NaN is the same as NaN.
      yield prefix + key, was, now

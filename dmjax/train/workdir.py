"""The working directory of a run: whose it is, and with what configuration."""

import json
import pathlib
from typing import Any

import jax
import ml_collections


def check(workdir: pathlib.Path, config: Any) -> None:
  """Checks that a workdir is new, or holds a run of the same configuration.

  Args:
    workdir: The directory.
    config: The configuration.

  Raises:
    ValueError: For a directory that holds a run of another configuration.
  """
  path = workdir / "config.json"
  if not path.is_file():
    return
  old, new = json.loads(path.read_text()), json.loads(config.to_json())
  for known in (old, new):
    known.pop("published", None)  # What others measured makes no other run.
  changed = _differences(old, new)
  if changed:
    raise ValueError(
        f"workdir {str(workdir)!r} holds a run of another configuration:"
        f" {'; '.join(changed)}. Use another --workdir, or the same settings to"
        " resume"
    )


def claim(workdir: pathlib.Path, config: Any) -> None:
  """Writes the configuration to a new workdir; see `check`.

  Args:
    workdir: The directory; made if missing.
    config: The configuration.

  Raises:
    ValueError: For a directory that cannot be written, or is another run's.
  """
  path = workdir / "config.json"
  try:
    workdir.mkdir(parents=True, exist_ok=True)
    if not path.exists() and jax.process_index() == 0:
      write_whole(path, config.to_json(indent=2, sort_keys=True) + "\n")
    (workdir / f".writable-{jax.process_index()}").touch()
    (workdir / f".writable-{jax.process_index()}").unlink()
  except OSError as error:
    raise ValueError(
        f"workdir {str(workdir)!r} cannot be written ({error.strerror});"
        " choose another with --workdir"
    ) from None
  check(workdir, config)


def write_whole(path: pathlib.Path, text: str) -> None:
  """Writes a file so that whoever reads it, whenever, finds all of it.

  Args:
    path: The file; replaced if it is there.
    text: What it holds afterwards.
  """
  part = path.with_suffix(".part")
  part.write_text(text, encoding="utf-8")
  part.replace(path)


def _differences(old, new, prefix=""):
  """'key: was, now' for every leaf that differs between two nested dicts."""
  lines = []
  for key in sorted(set(old) | set(new)):
    a, b = old.get(key), new.get(key)
    if isinstance(a, dict) and isinstance(b, dict):
      lines += _differences(a, b, f"{prefix}{key}.")
    elif a != b:
      lines.append(f"{prefix}{key} was {a!r}, now {b!r}")
  return lines


def read_config(workdir: pathlib.Path) -> ml_collections.ConfigDict:
  """The configuration of the run in a working directory.

  Args:
    workdir: Of the run.

  Returns:
    The configuration.

  Raises:
    ValueError: Where there is no run.
  """
  path = workdir / "config.json"
  if not path.is_file():
    raise ValueError(f"--workdir: {str(workdir)!r} holds no run of dmjax")
  return ml_collections.ConfigDict(json.loads(path.read_text()))

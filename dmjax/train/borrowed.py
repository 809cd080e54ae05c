"""What a run borrows from another: a copy of one checkpoint, which stays.

The other run may go on training, move or go; a run that mixes by what it had
learned resumes with the very same parameters. So it does with a file of them.
"""

from collections.abc import Mapping
import hashlib
import json
import pathlib
import shutil

import jax
from jax.experimental import multihost_utils

from dmjax.train import checkpoint
from dmjax.train import workdir as workdir_lib

RECORD = "borrowed.json"


def place(workdir: pathlib.Path | None, other: str) -> pathlib.Path:
  """Where to read another run: the copy of it, or itself before there is one.

  Args:
    workdir: Of the run that borrows; None for one without.
    other: Workdir of the other run, or a file.

  Returns:
    The folder, or the file.

  Raises:
    ValueError: For a copy that is not what it was.
  """
  record = workdir / RECORD if workdir else None
  if record is None or not record.is_file():
    return pathlib.Path(other)
  found = json.loads(record.read_text())[other]
  copied = workdir / found["folder"]
  if not copied.is_dir() or _digest(copied) != found["digest"]:
    raise ValueError(
        f"{copied}, the copy of {other!r} that this run mixes with, was changed;"
        " restore it, or train anew with another --workdir"
    )
  return copied if found["step"] is not None else copied / pathlib.Path(other).name


def keep(workdir: pathlib.Path, steps: Mapping[str, int | None]) -> None:
  """Copies checkpoints of other runs into a workdir, unless it has them.

  Args:
    workdir: Of the run that borrows.
    steps: The step of each other run, by its workdir; None of a file.
  """
  if steps and not (workdir / RECORD).is_file() and jax.process_index() == 0:
    record = {}
    for number, (other, step) in enumerate(steps.items()):
      folder = f"borrowed/{number}"
      _copy(pathlib.Path(other), step, workdir / folder)
      record[other] = {
          "folder": folder, "step": step, "digest": _digest(workdir / folder)
      }
    text = json.dumps(record, indent=2) + "\n"
    workdir_lib.write_whole(workdir / RECORD, text)
  multihost_utils.sync_global_devices("borrowed")


def _copy(other, step, folder):
  shutil.rmtree(folder, ignore_errors=True)  # Half a copy, if any.
  if step is None:
    folder.mkdir(parents=True)
    shutil.copyfile(other, folder / other.name)
    return
  parts = pathlib.Path("checkpoints") / str(step)
  shutil.copytree(other / parts, folder / parts)
  for name in (workdir_lib.CONFIG, workdir_lib.DATA):
    shutil.copyfile(other / name, folder / name)
  if (other / RECORD).is_file():  # What it has borrowed itself.
    shutil.copyfile(other / RECORD, folder / RECORD)
    shutil.copytree(other / "borrowed", folder / "borrowed")


def newest(other: pathlib.Path) -> int:
  """The step of the newest checkpoint of a run; ValueError where there is none."""
  steps = checkpoint.steps_of(other)
  if not steps:
    raise ValueError(f"workdir {str(other)!r} has no checkpoint yet")
  return steps[0]


def _digest(folder):
  """Of the names and contents of all files."""
  whole = hashlib.sha256()
  for path in sorted(p for p in folder.rglob("*") if p.is_file()):
    whole.update(str(path.relative_to(folder)).encode() + b"\0")
    with open(path, "rb") as file:
      whole.update(hashlib.file_digest(file, "sha256").digest())
  return whole.hexdigest()

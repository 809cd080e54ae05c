"""A trained network as files for other programs.

A format is a file with `check`, `make` and its endings, and a line in `FORMATS`.
"""

from collections.abc import Mapping
import pathlib
from typing import Any

from dmjax import names
from dmjax.train import export_parameters
from dmjax.train import export_program
from dmjax.train import run as run_lib
from dmjax.train import workdir as workdir_lib

FORMATS: Mapping[str, Any] = {
    "safetensors": export_parameters,
    "stablehlo": export_program,
}


def check(
    workdir: pathlib.Path,
    to: str,
    *,
    out: pathlib.Path | None = None,
    batch: int | None = None,
) -> pathlib.Path:
  """Checks an export before a checkpoint is read.

  Args:
    workdir: Of the run.
    to: A key of `FORMATS`.
    out: The file; in the workdir, named after the network, by default.
    batch: Size of the batches of a program; any by default.

  Returns:
    The file.

  Raises:
    ValueError: For an unknown format, a run that has no such form, a file with
      another ending, and one that is there.
  """
  form = names.lookup("format", to, FORMATS)
  config = workdir_lib.read_config(workdir)
  form.check(config, workdir, batch)
  path = out or workdir / (config.model.name + form.ENDINGS[0])
  if path.suffix not in form.ENDINGS:
    raise ValueError(
        f"--out must end in {' or '.join(form.ENDINGS)}, got {str(path)!r}"
    )
  for each in (path, *map(path.with_suffix, form.BESIDE)):
    if each.exists():
      raise ValueError(
          f"--out: {str(each)!r} is there already; remove it, or name another"
      )
  return path


def make(
    workdir: pathlib.Path,
    to: str,
    path: pathlib.Path,
    *,
    step: int | None = None,
    batch: int | None = None,
) -> tuple[dict[pathlib.Path, bytes], list[str]]:
  """Makes an export that was checked; writes nothing.

  Args:
    workdir: Of the run.
    to: A key of `FORMATS`.
    path: Of the file.
    step: Of the checkpoint; the newest by default.
    batch: As in `check`.

  Returns:
    The contents of every file, and the lines of Python that load them.

  Raises:
    ValueError: Where there is no such checkpoint, and as `make` of the format.
  """
  run, state = run_lib.load(workdir, step)
  return FORMATS[to].make(run, state, path, batch)


def write(contents: Mapping[pathlib.Path, bytes]) -> None:
  """Writes files whole, and makes their folder.

  Raises:
    ValueError: Where they cannot be written.
  """
  try:
    for path, content in contents.items():
      path.parent.mkdir(parents=True, exist_ok=True)
      part = path.with_name(path.name + ".part")
      part.write_bytes(content)
      part.replace(path)
  except OSError as error:
    raise ValueError(
        f"--out: {str(path)!r} cannot be written ({error.strerror})"
    ) from None

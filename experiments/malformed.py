"""What does the command line make of bad input?

    python -m experiments.malformed

Runs every command of `malformed_commands` in a fresh folder of its own. Each must
end with exit code 2 and one line that names the argument, the value and the way
out; none may end in a traceback, be accepted, or leave a file. Ends with exit
code 1 and the list of those that do.
"""

from collections.abc import Iterator
import contextlib
import io
import logging
import os
import pathlib
import re
import shlex
import sys
import tempfile
import traceback
from typing import NamedTuple

import tqdm

from dmjax import main as command_line
from dmjax import names
from dmjax.commands import exits
from experiments import malformed_commands

# What may stand beside the error: options that a change of name drops, and the
# usage that argparse prints.
_BESIDE = re.compile(r"dropped |usage: |\s")
_ERROR = re.compile(r"dmjax(?: \w+)?: ")


class Outcome(NamedTuple):
  """How a command ended.

  Attributes:
    code: Its exit code; None for a traceback.
    out: What it printed.
    err: What it printed on standard error, or the traceback.
    left: Files that were not there before, or are others now.
  """

  code: int | None
  out: str
  err: str
  left: tuple[str, ...]


def run(case: malformed_commands.Case) -> Outcome:
  """Runs a command in a folder that holds its files, and nothing else."""
  with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
    folder = pathlib.Path(name)
    for path, content in case.files.items():
      (folder / path).parent.mkdir(parents=True, exist_ok=True)
      content = content if isinstance(content, bytes) else content.encode()
      (folder / path).write_bytes(content)
    before = dict(_listing(folder))
    with _no_dataset(), _captured() as (out, err):
      code = _call(shlex.split(case.command), err)
    after = dict(_listing(folder))
  left = [path for path in after if after[path] != before.get(path)]
  left += [path for path in before if path not in after]
  return Outcome(code, out.getvalue(), err.getvalue(), tuple(sorted(left)))


def faults(case: malformed_commands.Case, outcome: Outcome) -> Iterator[str]:
  """What is wrong with how a malformed command ended."""
  if outcome.code is None:
    yield "traceback"
    return
  if outcome.code != exits.BAD_INPUT:
    yield f"exit code {outcome.code}"
  if outcome.left:
    yield f"left {names.few(outcome.left)}"
  if outcome.out:
    yield f"printed {outcome.out[:80]!r}"
  lines = outcome.err.splitlines()
  errors = [line for line in lines if _ERROR.match(line)]
  beside = [line for line in lines if line and not _BESIDE.match(line)]
  if len(errors) != 1 or beside != errors:
    yield f"{len(errors)} error lines"
  missing = [word for word in case.says if word not in "\n".join(errors)]
  if missing:
    yield f"does not say {', '.join(map(repr, missing))}"


def _call(arguments, err):
  """The exit code, None for a traceback, which goes into `err`."""
  try:
    return command_line.main(arguments)
  except SystemExit as end:  # Of argparse.
    return end.code
  except Exception:  # pylint: disable=broad-exception-caught
    traceback.print_exc(file=err)
    return None


@contextlib.contextmanager
def _captured():
  """Standard output and error, with what is logged, as two texts."""
  out, err = io.StringIO(), io.StringIO()
  handler = logging.StreamHandler(err)
  logging.getLogger().addHandler(handler)
  try:
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
      yield out, err
  finally:
    logging.getLogger().removeHandler(handler)


@contextlib.contextmanager
def _no_dataset():
  """Datasets are looked for in the current folder, where there are none."""
  before = os.environ.get("TFDS_DATA_DIR")
  os.environ["TFDS_DATA_DIR"] = os.path.join(os.getcwd(), "datasets")
  try:
    yield
  finally:
    del os.environ["TFDS_DATA_DIR"]
    if before is not None:
      os.environ["TFDS_DATA_DIR"] = before


def _listing(folder):
  """Paths, and the contents of those that are files."""
  for path in folder.rglob("*"):
    content = path.read_bytes() if path.is_file() else None
    yield str(path.relative_to(folder)), content


def main() -> int:
  """Runs all; returns the exit code."""
  found = {}
  cases = malformed_commands.CASES
  for case in tqdm.tqdm(cases, "malformed", unit="command"):
    outcome = run(case)
    if wrong := list(faults(case, outcome)):
      found[case.command] = wrong
      last = (outcome.err.strip().splitlines() or [""])[-1]
      tqdm.tqdm.write(f"{case.command}\n  {'; '.join(wrong)}\n  {last}")
  print(f"{len(cases)} malformed commands, {len(cases) - len(found)} as they should be")
  for sentence, start in (
      ("ended in a traceback", "traceback"),
      ("was accepted that should be refused", "exit code"),
      ("left a file", "left"),
      ("was refused without argument, value and way out in one line",
       ("does not say", "printed", "0 error", "2 error")),
  ):
    of_kind = [c for c, w in found.items() if any(f.startswith(start) for f in w)]
    print(f"{len(of_kind) or 'none'} {sentence}")
  return 1 if found else 0


if __name__ == "__main__":
  sys.exit(main())

"""The command line: dmjax train | evaluate | predict | preview | ..."""

import argparse
from collections.abc import Sequence
import logging
import os
import sys

import dmjax
from dmjax import commands
from dmjax.commands import exits


def main(argv: Sequence[str] | None = None) -> int:
  """Runs a command; returns the exit code."""
  args, rest = _parser().parse_known_args(argv)
  logging.getLogger("absl").setLevel(logging.WARNING)
  try:
    return args.run(args, rest)
  except ValueError as error:
    print(f"dmjax {args.command}: {error}", file=sys.stderr)
    return exits.BAD_INPUT
  except KeyboardInterrupt:
    print(f"\ndmjax {args.command}: interrupted", file=sys.stderr)
    return exits.INTERRUPTED
  except BrokenPipeError:  # `dmjax recipes | head` has seen enough.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return exits.OK


def _parser():
  parser = argparse.ArgumentParser(
      prog="dmjax", description="Mixup training in JAX.", allow_abbrev=False
  )
  version = f"dmjax {dmjax.__version__}"
  parser.add_argument("--version", action="version", version=version)
  subparsers = parser.add_subparsers(dest="command", required=True)
  for command in commands.COMMANDS:
    command.add(subparsers)
  return parser


if __name__ == "__main__":
  sys.exit(main())

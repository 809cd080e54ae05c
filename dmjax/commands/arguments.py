"""Arguments that several commands share."""

import argparse
import inspect
import pathlib
import sys
import textwrap
from typing import Any

from dmjax import config as config_lib

OVERRIDES = """\
Every key of the configuration can be set on the command line:
  --config.optimizer.lr=0.05 --config.data.dir=/data/tfds --config.total='5 epochs'
and so can every option of the network, mixer, loss and optimizer it names.
--help_config lists the keys with their meaning.
"""


def add_command(commands: Any, run: Any, name: str, summary: str, epilog: str = ""):
  """A parser for a command, whose `run` is called with what it parsed."""
  command = commands.add_parser(
      name, help=summary, description=summary, epilog=epilog,
      formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False,
  )
  command.set_defaults(run=run)
  return command


def add_config(parser: argparse.ArgumentParser, required: bool = True) -> None:
  """Adds --config and --help_config."""
  parser.add_argument(
      "--config", required=required, metavar="DATASET:WORDS",
      help="a recipe, such as cifar100:resnet18,cutmix,dm (see dmjax recipes), or"
      " a file of your own, my.py or my.py:ARGUMENT",
  )
  add_help_config(parser)


def add_help_config(parser: argparse.ArgumentParser) -> None:
  """Adds --help_config."""
  parser.add_argument("--help_config", action=_HelpConfig, nargs=0,
                      help="list the keys of a configuration with their meaning")


class _HelpConfig(argparse.Action):
  """Prints the defaults as they are written down, and ends."""

  def __call__(self, parser, *_):
    source = inspect.getsource(config_lib.default)
    keys = source[source.index("ConfigDict({") : source.rindex("})")]
    lines = textwrap.dedent(keys.split("\n", 1)[1]).rstrip()
    print("Durations are as '200 epochs', '500 steps', '10000 examples', '5 %'.")
    print(f"\n{lines}")
    parser.exit()


def load_config(text: str, changes: list[str]) -> Any:
  """The named configuration with `--config.key=value` applied."""
  # pylint: disable=g-import-not-at-top
  from dmjax import recipes
  from dmjax.train import schema

  config = recipes.load(text)
  schema.check(config)
  return override(config, changes)


def override(config: Any, changes: list[str]) -> Any:
  """The configuration with `--config.key=value` applied; says what that drops."""
  from dmjax import overrides  # pylint: disable=g-import-not-at-top

  config, dropped = overrides.apply(config, changes)
  for line in dropped:
    print(f"dropped {line}", file=sys.stderr)
  return config


def no_more(rest: list[str]) -> None:
  """Raises ValueError for arguments that a command does not have."""
  if rest:
    raise ValueError(f"unknown argument {rest[0]!r}; see --help")


def workdir(text: str) -> pathlib.Path:
  """A --workdir; one that is empty would be the current folder."""
  if not text.strip():
    raise argparse.ArgumentTypeError("must be a folder, got ''")
  return pathlib.Path(text)


def picture(text: str) -> pathlib.Path:
  """An --out; pictures are .png files in folders that can be made."""
  path = pathlib.Path(text)
  if path.suffix != ".png":
    raise argparse.ArgumentTypeError(f"must end in .png, got {text!r}")
  if path.is_dir():
    raise argparse.ArgumentTypeError(f"must be a file, got the folder {text!r}")
  return path


def make_folder_of(path: pathlib.Path) -> None:
  """Makes the folder of a file; ValueError where that cannot be."""
  try:
    path.parent.mkdir(parents=True, exist_ok=True)
  except OSError as error:
    raise ValueError(
        f"--out: the folder of {str(path)!r} cannot be made ({error.strerror})"
    ) from None

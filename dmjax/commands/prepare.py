"""dmjax prepare: download a dataset, once."""

import pathlib

from dmjax.commands import arguments
from dmjax.commands import exits


def add(commands) -> None:
  """Describes the command."""
  parser = arguments.add_command(
      commands, run, "prepare", "Download and prepare a TFDS dataset.",
      "Preparing needs the network; training afterwards does not. Datasets"
      " whose\nbuilders encode raw arrays also need TensorFlow, once:"
      " pip install 'dmjax[prepare]'.",
  )
  parser.add_argument("name", help="a TFDS dataset, such as cifar100")
  parser.add_argument("--data_dir", default="",
                      help="where to write; ~/tensorflow_datasets by default")


def run(args, rest) -> int:
  """Prepares; returns the exit code."""
  from dmjax.data import sources  # pylint: disable=g-import-not-at-top

  arguments.no_more(rest)
  if pathlib.Path(args.data_dir).is_file():
    raise ValueError(f"--data_dir must be a folder, got the file {args.data_dir!r}")
  print(sources.prepare(args.name, args.data_dir))
  return exits.OK

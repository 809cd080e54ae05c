"""dmjax evaluate: measure a checkpoint of a run."""

import json

from dmjax.commands import arguments
from dmjax.commands import exits


def add(commands) -> None:
  """Describes the command."""
  parser = arguments.add_command(
      commands, run, "evaluate",
      "Evaluate the newest checkpoint of a run on its test split.",
      "Another dataset or split of the same classes, or another place of it:\n"
      "  --config.data.name=... --config.data.test=train --config.data.dir=...\n",
  )
  parser.add_argument("--workdir", type=arguments.workdir, required=True)
  which = parser.add_mutually_exclusive_group()
  which.add_argument("--step", type=int, help="the checkpoint of this step")
  which.add_argument("--best", action="store_true",
                     help="the checkpoint of the best top-1")
  parser.add_argument("--json", action="store_true",
                      help="print one line of JSON instead of a table")
  arguments.add_help_config(parser)


def run(args, rest) -> int:
  """Evaluates; returns the exit code."""
  # pylint: disable=g-import-not-at-top
  from dmjax.commands import report
  from dmjax.train import checkpoint
  from dmjax.train import loop
  from dmjax.train import workdir as workdir_lib

  config = arguments.override(workdir_lib.read_config(args.workdir), rest)
  step = checkpoint.best_step(args.workdir) if args.best else args.step
  metrics = loop.evaluate(config, args.workdir, step)
  if args.json:
    print(json.dumps(metrics))
    return exits.OK
  report.print_metrics(metrics)
  if not rest:  # The curve of the run is of its own data.
    report.print_published(config, args.workdir)
  return exits.OK

"""dmjax train: train a network, or go on training."""

import json
import re
import signal
import sys

from dmjax.commands import arguments
from dmjax.commands import exits

_EPILOG = """\
Writes to the working directory:
  config.json    the configuration
  metrics.jsonl  one row per report; the same goes to tensorboard/
  checkpoints/   the last few states and the best one
  curves.png     loss and accuracy
  mixed.png      what the network is shown
The same command again resumes where the last checkpoint was written. SIGTERM
saves a checkpoint and ends with exit code 75, Ctrl-C with 130; a loss that is
not finite ends with 3, bad input with 2.

On several hosts run the same command on each with --distributed, which finds
the others by itself on TPU pods and under Slurm; elsewhere also give
--coordinator, --num_processes and --process_id.

"""


def add(commands) -> None:
  """Describes the command."""
  parser = arguments.add_command(
      commands, run, "train", "Train a network, or go on training.",
      _EPILOG + arguments.OVERRIDES,
  )
  arguments.add_config(parser)
  parser.add_argument("--workdir", type=arguments.workdir, required=True)
  parser.add_argument("--dry_run", action="store_true",
                      help="print what would be trained, and end")
  parser.add_argument("--distributed", action="store_true",
                      help="one of several processes that train together")
  parser.add_argument("--coordinator", metavar="HOST:PORT",
                      help="address of process 0")
  parser.add_argument("--num_processes", type=int)
  parser.add_argument("--process_id", type=int)


def run(args, rest) -> int:
  """Trains; returns the exit code."""
  # pylint: disable=g-import-not-at-top
  _check_processes(args)
  config = arguments.load_config(args.config, rest)
  _join_others(args)
  from dmjax.train import loop
  from dmjax.train import progress

  if args.dry_run:
    return _describe(config, args.workdir)
  try:
    result = loop.train(config, args.workdir)
  except progress.Diverged as error:
    print(f"dmjax train: {error}", file=sys.stderr)
    return exits.DIVERGED
  _report(config, args.workdir, result)
  if result.signal == signal.SIGINT:
    return exits.INTERRUPTED
  return exits.OK if result.finished else exits.PREEMPTED


def _check_processes(args):
  named = args.num_processes is not None or args.process_id is not None
  if named and not args.coordinator:
    raise ValueError(
        "--num_processes and --process_id need --coordinator HOST:PORT, the"
        " address of process 0"
    )
  if not args.coordinator:
    return
  port = re.fullmatch(r".+:(\d{1,5})", args.coordinator)
  if not port or int(port[1]) > 65535:
    raise ValueError(
        f"--coordinator must be HOST:PORT, got {args.coordinator!r}"
    )
  if args.num_processes is None or args.process_id is None:
    raise ValueError("--coordinator needs --num_processes and --process_id")
  if not 0 <= args.process_id < args.num_processes:
    raise ValueError(
        "--process_id must be one of 0 ... --num_processes - 1, got"
        f" {args.process_id} of {args.num_processes}"
    )


def _join_others(args):
  if args.distributed or args.coordinator:
    import jax  # pylint: disable=g-import-not-at-top

    try:
      jax.distributed.initialize(
          args.coordinator, args.num_processes, args.process_id
      )
    except (RuntimeError, ValueError) as error:
      what = " ".join(str(error).split())
      raise ValueError(f"the other processes cannot be joined: {what}") from None


def _describe(config, workdir):
  # pylint: disable=g-import-not-at-top
  from dmjax.train import dry_run

  print(json.dumps(json.loads(config.to_json()), indent=2))
  for label, value in dry_run.facts(config, workdir).items():
    print(f"  {label:<28}{value}")
  return exits.OK


def _report(config, workdir, result):
  # pylint: disable=g-import-not-at-top
  import jax

  from dmjax.commands import report

  if jax.process_index():
    return
  if not result.finished:
    print(f"stopped at step {result.step}; the same command goes on from there")
    return
  report.print_metrics(result.metrics)
  if result.examples_per_second:
    report.print_row("training examples/s", f"{result.examples_per_second:,.0f}")
  report.print_published(config, workdir)
  report.print_files(workdir)

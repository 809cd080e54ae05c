"""The command line: dmjax train | evaluate | preview | recipes | prepare."""

import argparse
from collections.abc import Sequence
import logging
import os
import pathlib
import sys

EXIT_BAD_INPUT = 2
EXIT_DIVERGED = 3
EXIT_PREEMPTED = 75  # EX_TEMPFAIL: the same command again goes on.

_OVERRIDES = """\
Every key of the configuration can be set on the command line:
  --config.optimizer.lr=0.05 --config.data.dir=/data/tfds --config.total='5 epochs'
`dmjax/config.py` lists the keys with their meaning.
"""

_TRAIN = """\
Trains a network and writes to the working directory:
  config.json    the configuration
  metrics.jsonl  one row per report; the same goes to tensorboard/
  checkpoints/   the last few states and the best one
  curves.png     loss and accuracy
  mixed.png      what the network is shown
The same command again resumes where the last checkpoint was written. SIGTERM
saves a checkpoint and ends with exit code 75; a loss that is NaN or Inf ends
with 3; bad input with 2.

Mixers that are guided by input gradients, class activation maps, teacher
features or attention cost one extra pass a step; the progress line says which.

On several hosts run the same command on each with --distributed, which finds
the others by itself on TPU pods and under Slurm; elsewhere also give
--coordinator, --num_processes and --process_id.

"""


def main(argv: Sequence[str] | None = None) -> int:
  """Runs a command; returns the exit code."""
  args, rest = _parser().parse_known_args(argv)
  logging.getLogger("absl").setLevel(logging.WARNING)
  try:
    return args.run(args, rest)
  except ValueError as error:
    print(f"dmjax {args.command}: {error}", file=sys.stderr)
    return EXIT_BAD_INPUT
  except BrokenPipeError:  # `dmjax recipes | head` has seen enough.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _parser():
  parser = argparse.ArgumentParser(
      prog="dmjax", description="Mixup training in JAX."
  )
  commands = parser.add_subparsers(dest="command", required=True)

  def add(name, run, summary, epilog=""):
    command = commands.add_parser(
        name, help=summary, description=summary, epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=run)
    return command

  train = add("train", _train, "Train a network, or go on training.",
              _TRAIN + _OVERRIDES)
  _add_config(train)
  train.add_argument("--workdir", type=pathlib.Path, required=True)
  train.add_argument("--distributed", action="store_true",
                     help="one of several processes that train together")
  train.add_argument("--coordinator", metavar="HOST:PORT",
                     help="address of process 0")
  train.add_argument("--num_processes", type=int)
  train.add_argument("--process_id", type=int)
  evaluate = add("evaluate", _evaluate,
                 "Evaluate the newest checkpoint of a run on its test split.")
  evaluate.add_argument("--workdir", type=pathlib.Path, required=True)
  preview = add("preview", _preview,
                "Draw images as they are augmented, or mixed with their weights.",
                _OVERRIDES)
  _add_config(preview, required=False)
  preview.add_argument("--all", action="store_true",
                       help="draw every mixer on the same pairs of photographs")
  preview.add_argument("--workdir", type=pathlib.Path,
                       help="draw what a run of method automix has learned")
  preview.add_argument("--out", type=pathlib.Path, required=True,
                       help="the picture to write, .png")
  preview.add_argument("--stage", choices=("augment", "mix"), default="mix",
                       help="of training, what to draw")
  recipes = add("recipes", _recipes,
                "List the recipes, with what is published of each.")
  recipes.add_argument("dataset", nargs="?", help="such as cifar100; all if left out")
  recipes.add_argument("--names", action="store_true",
                       help="only what --config takes, one a line")
  prepare = add(
      "prepare", _prepare, "Download and prepare a TFDS dataset.",
      "Preparing needs the network; training afterwards does not. Datasets"
      " whose\nbuilders encode raw arrays also need TensorFlow, once:"
      " pip install 'dmjax[prepare]'.",
  )
  prepare.add_argument("name", help="a TFDS dataset, such as cifar100")
  prepare.add_argument("--data_dir", default="",
                       help="where to write; ~/tensorflow_datasets by default")
  return parser


def _add_config(parser, required=True):
  parser.add_argument(
      "--config", required=required, metavar="DATASET:WORDS",
      help="a recipe, such as cifar100:resnet18,cutmix,dm (see dmjax recipes), or"
      " a file of your own, my.py or my.py:ARGUMENT",
  )


def _load_config(text, overrides_):
  """The named configuration with `--config.key=value` applied."""
  # pylint: disable=g-import-not-at-top
  from dmjax import overrides
  from dmjax import recipes

  config, dropped = overrides.apply(recipes.load(text), overrides_)
  for line in dropped:
    print(f"dropped {line}", file=sys.stderr)
  return config


def _train(args, rest):
  # pylint: disable=g-import-not-at-top
  import jax

  config = _load_config(args.config, rest)
  if args.distributed or args.coordinator:
    jax.distributed.initialize(
        args.coordinator, args.num_processes, args.process_id
    )
  from dmjax.train import loop
  from dmjax.train import progress

  try:
    result = loop.train(config, args.workdir)
  except progress.Diverged as error:
    print(f"dmjax train: {error}", file=sys.stderr)
    return EXIT_DIVERGED
  if jax.process_index() == 0:
    if result.finished:
      _print_table(
          config, args.workdir, result.metrics, result.images_per_second
      )
      _print_files(args.workdir)
    else:
      print(f"stopped and saved at step {result.step}; the same command goes on")
  return 0 if result.finished else EXIT_PREEMPTED


def _evaluate(args, rest):
  # pylint: disable=g-import-not-at-top
  from dmjax.train import loop
  from dmjax.train import workdir as workdir_lib

  _no_more(rest)
  config = workdir_lib.read_config(args.workdir)
  _print_table(config, args.workdir, loop.evaluate(config, args.workdir))
  return 0


def _preview(args, rest):
  # pylint: disable=g-import-not-at-top
  from dmjax.train import preview
  from dmjax.train import run as run_lib

  chosen = [bool(args.config), args.all, args.workdir is not None]
  if sum(chosen) != 1:
    raise ValueError(
        "preview needs either --config or --all, or --workdir"
    )
  if args.config:
    run = run_lib.assemble(_load_config(args.config, rest))
    draw = lambda out: preview.STAGES[args.stage](run, out)
  else:
    _no_more(rest)
    draw = preview.save_all
  if args.workdir:
    learned = run_lib.learned(args.workdir)
    draw = lambda out: preview.save_masks(*learned, out)
  args.out.parent.mkdir(parents=True, exist_ok=True)
  draw(args.out)
  print(args.out)
  return 0


def _recipes(args, rest):
  from dmjax import recipes  # pylint: disable=g-import-not-at-top

  _no_more(rest)
  rows = recipes.rows(args.dataset)
  if args.names:
    print("\n".join(row.argument for row in rows))
  else:
    print(recipes.table(rows))
  return 0


def _prepare(args, rest):
  # pylint: disable=g-import-not-at-top
  from dmjax.data import sources

  _no_more(rest)
  print(sources.prepare(args.name, args.data_dir))
  return 0


def _no_more(rest):
  if rest:
    raise ValueError(f"unknown argument {rest[0]!r}; see --help")


_ROWS = (
    ("clean top-1", "top1", "{:.2%}"),
    ("clean top-5", "top5", "{:.2%}"),
    ("clean NLL", "nll", "{:.4f}"),
    ("ECE, 15 bins", "ece", "{:.2%}"),
    ("mixed top-1 (one of the two classes)", "mixed_top1", "{:.2%}"),
    ("mixed top-2 (both classes)", "mixed_top2", "{:.2%}"),
)


def _print_table(config, workdir, metrics, images_per_second=0.0):
  print()
  for label, key, style in _ROWS:
    print(f"  {label:<40}{style.format(metrics[key]):>10}")
  if images_per_second:
    print(f"  {'training images/s':<40}{images_per_second:>10,.0f}")
  _print_published(config, workdir)


def _print_published(config, workdir):
  """The measured number beside the published one, by the rule of the latter."""
  # pylint: disable=g-import-not-at-top
  from dmjax import recipes
  from dmjax.train import progress

  number, rule, last = recipes.published(config)
  measured = progress.by_rule(workdir, rule, last)
  label = f"clean top-1, {recipes.rule_in_words(rule, last)}"
  beside = f"   published {number:.2f}%, {config.published.source}" if number else ""
  print(f"  {label:<40}{measured:>10.2%}{beside}")


def _print_files(workdir):
  print(f"\n  {workdir}/")
  for name in ("curves.png", "mixed.png", "metrics.jsonl", "checkpoints"):
    print(f"    {name}")


if __name__ == "__main__":
  sys.exit(main())

"""dmjax recipes: what can be trained as published."""

from dmjax.commands import arguments
from dmjax.commands import exits


def add(commands) -> None:
  """Describes the command."""
  parser = arguments.add_command(
      commands, run, "recipes",
      "List the recipes, with what is published of each.",
  )
  parser.add_argument("dataset", nargs="?",
                      help="such as cifar100; all if left out")
  parser.add_argument("--names", action="store_true",
                      help="only what --config takes, one a line")


def run(args, rest) -> int:
  """Lists; returns the exit code."""
  from dmjax import recipes  # pylint: disable=g-import-not-at-top

  arguments.no_more(rest)
  rows = recipes.rows(args.dataset)
  if args.names:
    print("\n".join(row.argument for row in rows))
  else:
    print(recipes.table(rows))
  return exits.OK

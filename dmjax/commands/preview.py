"""dmjax preview: pictures of what a network is shown."""

from dmjax.commands import arguments
from dmjax.commands import exits


def add(commands) -> None:
  """Describes the command."""
  parser = arguments.add_command(
      commands, run, "preview",
      "Draw images as they are augmented, or mixed with their weights.",
      arguments.OVERRIDES,
  )
  arguments.add_config(parser, required=False)
  parser.add_argument("--all", action="store_true",
                      help="draw every mixer on the same pairs of photographs")
  parser.add_argument("--workdir", type=arguments.workdir,
                      help="draw what a run that learns to mix has learned")
  parser.add_argument("--out", type=arguments.picture, required=True,
                      help="the picture to write, .png")
  parser.add_argument("--stage", choices=("augment", "mix"),
                      help="of --config, what to draw; mix if left out")


def run(args, rest) -> int:
  """Draws; returns the exit code."""
  # pylint: disable=g-import-not-at-top
  from dmjax.train import preview
  from dmjax.train import run as run_lib
  from dmjax.train import zoo

  chosen = [bool(args.config), args.all, args.workdir is not None]
  if sum(chosen) != 1:
    raise ValueError("preview needs either --config or --all, or --workdir")
  if args.stage and not args.config:
    raise ValueError(f"--stage {args.stage} needs --config, whose stage it is")
  if args.config:
    assembled = run_lib.assemble(arguments.load_config(args.config, rest))
    draw = lambda out: preview.STAGES[args.stage or "mix"](assembled, out)
  else:
    arguments.no_more(rest)
    draw = zoo.save
  if args.workdir:
    learned = run_lib.learned(args.workdir)
    draw = lambda out: preview.save_masks(*learned, out)
  arguments.make_folder_of(args.out)
  draw(args.out)
  print(args.out)
  return exits.OK

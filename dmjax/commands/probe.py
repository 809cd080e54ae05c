"""dmjax probe: what a trained network has learned."""

import itertools
import json
import pathlib

from dmjax.commands import arguments
from dmjax.commands import exits

_PICTURES = ("cam", "lines")


def add(commands) -> None:
  """Describes the command."""
  parser = arguments.add_command(
      commands, run, "probe",
      "Try a trained run on attacks, corruptions, mixed and odd inputs.",
      "Other test data of the same classes: --config.data.name=...\n",
  )
  parser.add_argument("--workdir", type=arguments.workdir, required=True)
  parser.add_argument(
      "--probes", default="", metavar="A,B",
      help="which, and cam or lines for pictures; all that need nothing else"
      " if left out",
  )
  parser.add_argument("--against", type=arguments.workdir, nargs="+", default=[],
                      metavar="WORKDIR", help="other runs, compared row by row")
  parser.add_argument("--step", type=int, help="the checkpoint of this step")
  parser.add_argument("--limit", type=int, default=0, metavar="N",
                      help="of the test rows so many; all if left out")
  parser.add_argument("--eps", default="1,2,4,8", metavar="A,B",
                      help="radii of attacks, in pixels of 255")
  parser.add_argument("--steps", type=int, default=10, help="of pgd")
  parser.add_argument("--restarts", type=int, default=1, help="of pgd")
  parser.add_argument("--ood", default="", metavar="DATASET",
                      help="another dataset, for ood")
  parser.add_argument("--trials", default="", metavar="SPLIT",
                      help="of other classes, for verification")
  parser.add_argument("--corrupted", default="", metavar="FOLDER",
                      help="public arrays, fog.npy and others, for corruptions")
  parser.add_argument("--out", type=pathlib.Path, metavar="FOLDER",
                      help="of what is written; WORKDIR/probe if left out")
  arguments.add_help_config(parser)


def run(args, rest) -> int:
  """Probes; returns the exit code."""
  # pylint: disable=g-import-not-at-top
  from dmjax.commands import probe_report
  from dmjax.train import explained
  from dmjax.train import other_rows
  from dmjax.train import probe_pictures
  from dmjax.train import probing
  from dmjax.train import run as run_lib

  asked = [name for name in args.probes.split(",") if name]
  pictures = [name for name in asked if name in _PICTURES]
  names = [name for name in asked if name not in _PICTURES]
  options, assembled = _options(args), _assemble(args, rest)
  kind = next(iter(assembled.values())).sources["test"].kind
  options = options._replace(kind=kind)
  cases = {}
  if names or not asked:
    cases = probing.check(names, kind, options)
    for case in itertools.chain(*cases.values()):
      if case.dataset or case.split:
        other_rows.open_pipeline(next(iter(assembled.values())), case)
  runs = {
      name: (each, run_lib.restore(
          each, pathlib.Path(name),
          args.step if name == str(args.workdir) else None,
      ))
      for name, each in assembled.items()
  }
  main_run, state = runs[str(args.workdir)]
  out = args.out or args.workdir / "probe"
  out.mkdir(parents=True, exist_ok=True)
  if "cam" in pictures:
    explained.save_cam(main_run, state, out / "cam.png")
  if "lines" in pictures:
    others = {name: runs[name] for name in list(runs)[1:]}
    explained.save_lines(main_run, state, out / "lines.png", others=others)
  if cases:
    found = {
        name: probing.probe(*each, cases, options, limit=args.limit, title=name)
        for name, each in runs.items()
    }
    compared = probe_report.compare(found)
    probe_report.print_tables(found, compared)
    text = json.dumps(probe_report.as_json(found, compared), indent=2)
    (out / "probe.json").write_text(text + "\n")
    probe_pictures.save(found, out / "probe.png", title=" against ".join(found))
  print("\n" + "\n".join(f"  {path}" for path in sorted(out.iterdir())))
  return exits.OK


def _assemble(args, rest):
  """The runs by workdir; ValueError where they cannot be compared."""
  # pylint: disable=g-import-not-at-top
  from dmjax.train import run as run_lib
  from dmjax.train import workdir as workdir_lib

  runs = {}
  for workdir in (args.workdir, *args.against):
    config = arguments.override(workdir_lib.read_config(workdir), rest)
    blank = workdir_lib.blank_sources(workdir)
    runs[str(workdir)] = run_lib.assemble(config, workdir=workdir, **blank)
  _check_alike(runs)
  return runs


def _check_alike(runs):
  first, *others = runs.items()
  for other in others:
    facts = [
        (name, each.sources["test"].num_classes, each.sources["test"].size)
        for name, each in (first, other)
    ]
    for what, place in (("classes", 1), ("test rows", 2)):
      if facts[0][place] != facts[1][place]:
        raise ValueError(
            f"--against: {facts[1][0]!r} has {facts[1][place]} {what}, and"
            f" {facts[0][0]!r} {facts[0][place]}; only runs on the same test data"
            " can be compared"
        )


def _options(args):
  # pylint: disable=g-import-not-at-top
  from dmjax.evaluate import probes

  if args.limit < 0 or args.limit == 1:
    raise ValueError(f"--limit must be 2 or more, or 0 for all, got {args.limit}")
  try:
    eps = tuple(float(value) for value in args.eps.split(","))
  except ValueError:
    raise ValueError(
        f"--eps must be numbers with commas between them, got {args.eps!r}"
    ) from None
  return probes.Options(
      eps=eps, steps=args.steps, restarts=args.restarts, ood=args.ood,
      corrupted=args.corrupted, trials=args.trials,
  )

"""dmjax predict: what a trained network sees in images, or texts."""

import csv
import json
import pathlib
import sys

from dmjax.commands import arguments
from dmjax.commands import exits


def add(commands) -> None:
  """Describes the command."""
  parser = arguments.add_command(
      commands, run, "predict",
      "Print the classes that a trained network sees in images, or in texts, each"
      " a file.",
  )
  parser.add_argument("images", nargs="+", type=pathlib.Path, metavar="IMAGE")
  parser.add_argument("--workdir", type=arguments.workdir, required=True)
  parser.add_argument("--step", type=int, help="the checkpoint of this step")
  parser.add_argument("--top", type=int, default=3, help="classes for each image")
  parser.add_argument("--format", choices=_FORMATS, default="text")


def run(args, rest) -> int:
  """Predicts; returns the exit code."""
  # pylint: disable=g-import-not-at-top
  from dmjax.train import prediction
  from dmjax.train import run as run_lib

  arguments.no_more(rest)
  if args.top < 1:
    raise ValueError(f"--top must be >= 1, got {args.top}")
  missing = [str(path) for path in args.images if not path.is_file()]
  if missing:
    raise ValueError(f"there is no image {missing[0]!r}")
  found = prediction.predict(*run_lib.load(args.workdir, args.step), args.images)
  top = [
      {"image": str(path), "classes": ranked[: args.top]}
      for path, ranked in zip(args.images, found)
  ]
  _FORMATS[args.format](top)
  return exits.OK


def _as_text(rows):
  width = max(len(row["image"]) for row in rows)
  for row in rows:
    classes = "  ".join(f"{name} {p:.1%}" for name, p in row["classes"])
    print(f"{row['image']:<{width}}  {classes}")


def _as_csv(rows):
  writer = csv.writer(sys.stdout)
  writer.writerow(("image", "class", "probability"))
  for row in rows:
    writer.writerows((row["image"], name, f"{p:.6f}") for name, p in row["classes"])


def _as_json(rows):
  for row in rows:
    print(json.dumps(row | {"classes": dict(row["classes"])}))


_FORMATS = {"text": _as_text, "csv": _as_csv, "json": _as_json}

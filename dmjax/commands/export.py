"""dmjax export: a trained network as a file for other programs."""

import pathlib

from dmjax.commands import arguments
from dmjax.commands import exits

_EPILOG = """\
safetensors holds the parameters by timm's names, for networks that timm has.
stablehlo is a program, inputs in and logits out, with the normalisation and the
parameters inside; JAX alone runs it, on CPU, CUDA or TPU. Class names, shapes and
versions are in a .json file beside it.
"""


def add(commands) -> None:
  """Describes the command."""
  parser = arguments.add_command(
      commands, run, "export",
      "Write a trained network as a file for other programs.", _EPILOG,
  )
  parser.add_argument("--workdir", type=arguments.workdir, required=True)
  parser.add_argument("--to", required=True, metavar="FORMAT",
                      help="safetensors or stablehlo")
  parser.add_argument("--out", type=pathlib.Path, metavar="FILE",
                      help="WORKDIR/NETWORK.FORMAT if left out")
  parser.add_argument("--step", type=int, help="the checkpoint of this step")
  parser.add_argument("--batch", default="symbolic", metavar="N",
                      help="of stablehlo, the size of its batches; symbolic, which"
                      " is any, if left out")


def run(args, rest) -> int:
  """Exports; returns the exit code."""
  # pylint: disable=g-import-not-at-top
  from dmjax.commands import report
  from dmjax.train import export

  arguments.no_more(rest)
  batch = _batch(args.batch)
  path = export.check(args.workdir, args.to, out=args.out, batch=batch)
  contents, usage = export.make(
      args.workdir, args.to, path, step=args.step, batch=batch
  )
  export.write(contents)
  for each, content in contents.items():
    report.print_row(str(each), f"{len(content) / 1e6:,.3f} MB")
  print("\n" + "\n".join(usage))
  return exits.OK


def _batch(text):
  """A size, or None for any."""
  if text == "symbolic":
    return None
  if not text.isdecimal() or not int(text):
    raise ValueError(f"--batch must be symbolic, or 1 or more, got {text!r}")
  return int(text)

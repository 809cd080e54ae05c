"""The commands of the command line, one file each.

A command is a module with `add(commands)`, which describes its arguments, and
`run(args, rest)`, which does it and returns the exit code; `rest` are arguments
such as `--config.optimizer.lr=0.05`.
"""

from dmjax.commands import evaluate
from dmjax.commands import export
from dmjax.commands import listing
from dmjax.commands import predict
from dmjax.commands import prepare
from dmjax.commands import preview
from dmjax.commands import probe
from dmjax.commands import recipes
from dmjax.commands import train

COMMANDS = (
    train, evaluate, probe, predict, export, preview, recipes, listing, prepare,
)

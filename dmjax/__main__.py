"""The command `dmjax`, which `python -m dmjax` runs too.

The command line needs more than the library, so it is looked for first.
"""

import importlib.util
import sys

import dmjax

# What the extra `train` installs, by the names it is imported by.
TRAIN = (
    "absl",
    "array_record",
    "flatbuffers",
    "flax",
    "grain",
    "importlib_resources",
    "matplotlib",
    "ml_collections",
    "optax",
    "orbax",
    "PIL",
    "requests",
    "safetensors",
    "sklearn",
    "tensorboardX",
    "tensorflow_datasets",
    "tokenizers",
    "tqdm",
)


def main() -> int:
  """Runs the command line, or says what it needs; returns the exit code."""
  if sys.argv[1:] == ["--version"]:
    print(f"dmjax {dmjax.__version__}")
    return 0
  missing = [name for name in TRAIN if importlib.util.find_spec(name) is None]
  if missing:
    print(
        f"dmjax: the command line also needs {', '.join(missing)};"
        " pip install 'dmjax[train]'",
        file=sys.stderr,
    )
    return 2
  from dmjax import main as command_line  # pylint: disable=g-import-not-at-top

  return command_line.main()


if __name__ == "__main__":
  sys.exit(main())

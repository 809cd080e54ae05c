"""Malformed commands, with what must be in their error lines."""

from collections.abc import Mapping
import json
import shlex
import textwrap
from typing import NamedTuple

import numpy as np
import safetensors.numpy

from experiments import malformed_overrides

# Two steps of a tiny ResNet-18 on images of noise, 32x32 pixels.
RECIPE = "cifar100:resnet18,cutmix,dm,smoke"


class Case(NamedTuple):
  """A command.

  Attributes:
    command: What follows `dmjax`.
    says: What its error line must hold.
    files: Contents of the files that are there, by path.
  """

  command: str
  says: tuple[str, ...]
  files: Mapping[str, str | bytes] = {}


def _train(config, rest="", workdir="runs/a"):
  return f"train --config {config} --workdir {workdir} {rest}".strip()


# Recipes that are none.
_RECIPES = (
    ("digit:resnet8,cutmix", "'digit'", "did you mean 'digits'"),
    ("digits", "digits", "dmjax recipes digits"),
    ("digits:", "digits", "dmjax recipes digits"),
    ("''", "''", "valid names"),
    ("digits:resnet8,cutmx", "'cutmx'", "did you mean 'cutmix'"),
    ("digits:resnet8,cutmix,dn", "'dn'", "did you mean 'dm'"),
    ("digits:resnet8,cutmix,foo", "'foo'"),
    ("digits:resnet8,,cutmix", "''"),
    ("digits:cutmix,dm", "network", "digits:resnet8"),
    ("digits:resnet8,dm", "dm needs a mixer"),
    ("digits:resnet8,cutmix,mixup", "'cutmix'", "'mixup'", "keep one"),
    ("digits:resnet8,resnet8", "'resnet8'", "twice"),
    ("digits:resnet8,transmix", "transmix", "resnet8"),
    ("cifar100:resnet18,cutmix,automix", "'automix'", "keep one"),
    ("cifar100:resnet18,mixupe", "no mixupe", "resnet18"),
    ("wine:mlp,cutmix", "'cutmix'"),
    ("cora:gcn,mixup", "'manifold_mixup'"),
    ("imagenet:resnet50,cutmix", "imagenet", "recipes"),
    ("mine.py", "there is no file 'mine.py'"),
    ("mine.txt", "'mine.txt'", "ends in .py"),
)

_HEAD = "from dmjax import recipes\nimport ml_collections\n"
_SOUND = f"  config = recipes.load({RECIPE!r})\n"

# Whole files of one's own, and what the line must say beside `mine.py`.
_SOURCES = (
    ("", "get_config"),
    ("get_config = 3\n", "get_config"),
    ("def get_config(:\n", "line 1", "SyntaxError"),
    ("import no_such_module\n", "line 1", "no_such_module"),
    ("def get_config():\n  return 1 / 0\n", "line 2", "ZeroDivisionError"),
    ("raise RuntimeError('no disk')\n", "line 1", "RuntimeError: no disk"),
    ("raise SystemExit('over')\n", "line 1", "SystemExit: over"),
    ("raise RuntimeError('two\\nlines')\n", "line 1", "two"),
    ("def get_config():\n  return {'seed': 0}\n", "ConfigDict", "dict"),
    ("def get_config():\n  pass\n", "ConfigDict", "NoneType"),
    ("def get_config(size):\n  pass\n", "needs an argument", "mine.py:ARG"),
    ("\x00", "mine.py"),
    (b"\xff\xfe\x00", "mine.py"),
    (_HEAD + "def get_config():\n  return ml_collections.ConfigDict()\n",
     "'batch_size'"),
    (_HEAD + "def get_config():\n" + _SOUND + "  config.batch_size = 'a'\n",
     "line 5", "batch_size"),
)



def _fixmatch(threshold):
  """Changes to a configuration of FixMatch with a threshold."""
  return (
      "config.mix = {'name': 'identity'}\n"
      "config.unlabelled.split = 'train'\n"
      f"config.method = {{'name': 'fixmatch', 'threshold': {threshold!r}}}"
  )


# Changes to a sound configuration in a file of one's own, past the checks of
# types that a ConfigDict makes itself.
_CHANGES = (
    ("del config.mix", "'mix'"),
    ("del config.seed", "'seed'"),
    ("del config.data.flip", "'data.flip'"),
    ("del config.optimizer.lr", "'optimizer.lr'"),
    ("del config.mix.name", "'mix.name'"),
    ("del config.evaluate.mix", "'evaluate.mix'"),
    ("config.batch_size = 'a'", "batch_size", "'a'"),
    ("config.batch_size = None", "batch_size", "None"),
    ("config.batch_size = True", "batch_size", "True"),
    ("config.total = 5", "total", "5"),
    ("config.total = None", "total", "None"),
    ("config.mix = 'cutmix'", "mix", "'cutmix'"),
    ("config.data = 'digits'", "data", "'digits'"),
    ("config.evaluate = None", "evaluate", "None"),
    ("config.optimizer.lr = '0.1'", "optimizer.lr", "'0.1'"),
    ("config.optimizer.lr = None", "optimizer.lr", "None"),
    ("config.optimizer.weight_decay = None", "optimizer.weight_decay", "None"),
    ("config.optimizer.momentum = 'a'", "optimizer.momentum", "'a'"),
    ("config.optimizer.decay_all = 'yes'", "optimizer.decay_all", "'yes'"),
    ("config.optimizer.nosuch = 1", "nosuch"),
    ("config.schedule.name = 3", "schedule.name", "3"),
    ("config.model.name = 3", "model", "3"),
    ("config.mix.name = 3", "mix", "3"),
    ("config.model.dtype = 32", "model.dtype", "32"),
    ("config.model.nosuch = 1", "'nosuch'"),
    ("config.mix.alpha = 'a'", "alpha", "'a'"),
    ("config.mix.alhpa = 1.0", "'alhpa'", "did you mean 'alpha'"),
    ("config.loss.etha = 1.0", "'etha'", "did you mean 'eta'"),
    ("config.loss.eta = 'a'", "eta", "'a'"),
    ("config.method.nosuch = 1.0", "'nosuch'"),
    ("config.method.ema_decay = 'a'", "ema_decay", "'a'"),
    ("config.data.mean = 0.5", "data.mean", "0.5"),
    ("config.data.mean = ('a', 'b', 'c')", "data.mean", "'a'"),
    ("config.data.std = ('a', 'b', 'c')", "data.std", "'a'"),
    ("config.data.flip = 1", "data.flip", "1"),
    ("config.data.name = 3", "data.name", "3"),
    ("config.seed = 0.5", "seed", "0.5"),
    ("config.sede = 3", "'sede'", "did you mean 'seed'"),
    ("config.data.filp = True", "'data.filp'", "did you mean 'data.flip'"),
    ("config.mix = {'name': 'choose', 'mixers': ('cutmix',), 'probs': (1.0,)}",
     "cutmix"),
    ("config.mix = {'name': 'choose', 'mixers': ({'name': 'cutmx'},), 'probs': (1.0,)}",
     "'cutmx'"),
    ("config.mix = {'name': 'choose', 'mixers': ({'name': 'cutmix'},), 'probs': (2.0, 1.0)}",
     "probs"),
    ("config.mix = {'name': 'sometimes', 'mixer': {'name': 'cutmix'}, 'p': 3.0}",
     "p", "3"),
    ("config.method.groups = {'headd': {'lr': 1.0}}", "headd"),
    (_fixmatch({"name": "fixed", "tau": 1.5}), "tau", "(0, 1]", "1.5"),
    (_fixmatch({"name": "fixed", "tau": 0.0}), "tau", "(0, 1]", "0.0"),
    (_fixmatch({"name": "fixed", "taw": 0.9}), "'taw'", "did you mean 'tau'"),
    (_fixmatch({"name": "flex"}), "unknown threshold 'flex'", "'flexmatch'"),
    (_fixmatch("flexmatch"), "threshold", "'flexmatch'"),
)


def _mine(change):
  body = textwrap.indent(change, "    ")
  return (
      _HEAD + "def get_config():\n" + _SOUND
      + f"  with config.unlocked(), config.ignore_type():\n{body}\n  return config\n"
  )


_SHAPE = {"shape": [32, 32, 3], "size": 48, "kind": "image",
          "class_names": [str(i) for i in range(10)]}


def _a_run():
  """The files of a run that was started, and has no checkpoint."""
  from dmjax import recipes  # pylint: disable=g-import-not-at-top

  config = recipes.load(RECIPE)
  return {
      "runs/a/config.json": config.to_json(),
      "runs/a/data.json": json.dumps(_SHAPE),
  }


def _with(files, **changes):
  return files | {f"runs/a/{k}.json": v for k, v in changes.items()}


def _tensors(**tensors):
  return safetensors.numpy.save(tensors)


def _commands():
  """Other commands, and those that need files."""
  run = _a_run()
  empty = json.dumps({})
  pretrained = "--config.pretrained=a.safetensors"
  file = "a.safetensors"
  whole = _tensors(**{f"layer{i}": np.zeros(3, np.float32) for i in range(9)})
  yield from (
      # Workdirs.
      Case(_train(RECIPE, workdir="''"), ("--workdir", "''")),
      Case(_train(RECIPE, workdir="' '"), ("--workdir",)),
      Case(_train(RECIPE), ("runs/a", "not empty"), {"runs/a/notes.txt": "mine"}),
      Case(_train(RECIPE, workdir="file"), ("'file'", "--workdir"), {"file": ""}),
      Case(_train(RECIPE, workdir="file/a"), ("file/a",), {"file": ""}),
      Case(_train(RECIPE), ("config.json", "damaged"),
           {"runs/a/config.json": "{"}),
      Case(_train(RECIPE), ("config.json", "damaged"),
           {"runs/a/config.json": "[1]"}),
      Case(_train(RECIPE, "--config.seed=5"), ("seed was 0, now 5",), run),
      Case(_train(RECIPE, "--config.total='1 steps'"), ("total was",), run),
      Case(f"train --config {RECIPE}", ("--workdir",)),
      Case("train --workdir runs/a", ("--config",)),
      # Files to start from.
      Case(_train(RECIPE, pretrained), ("a.safetensors'", "cannot be read"),
           {file: b"\x10\x00"}),
      Case(_train(RECIPE, pretrained), ("a.safetensors'", "cannot be read"),
           {file: b"PK\x03\x04 a pickle of PyTorch"}),
      Case(_train(RECIPE, pretrained), ("a.safetensors'", "cannot be read"),
           {file: whole[:-8]}),
      Case(_train(RECIPE, pretrained), ("a.safetensors'", "cannot be read"),
           {file: b""}),
      Case(_train(RECIPE, pretrained),
           ("a.safetensors'", "unexpected: layer0", "and 4 more"), {file: whole}),
      Case(_train(RECIPE, "--config.pretrained=a.pth"),
           ("a.pth'", ".safetensors"), {"a.pth": b"PK"}),
      Case(_train(RECIPE, "--config.pretrained=folder"),
           ("'", "folder", ".safetensors"), {"folder/x": b""}),
      Case(_train(RECIPE, "--config.init_from=runs/a", "runs/b"),
           ("runs/a", "no checkpoint"), run),
      Case(_train(RECIPE, "--config.mix.name=automix"
                  " --config.mix.workdir=runs/a", "runs/b"),
           ("runs/a", "no checkpoint"), run),
      # Arguments of files of one's own.
      Case(_train("mine.py:wide"), ("mine.py", "takes no argument"),
           {"mine.py": _mine("pass")}),
      Case(_train("mine.txt"), ("'mine.txt'", ".py"), {"mine.txt": "hello"}),
      Case(_train("mine.py/x.py"), ("mine.py/x.py",), {"mine.py": ""}),
      # evaluate.
      Case("evaluate", ("--workdir",)),
      Case("evaluate --workdir runs/none", ("runs/none", "no run")),
      Case("evaluate --workdir ''", ("--workdir", "''")),
      Case("evaluate --workdir runs/a", ("config.json", "damaged"),
           {"runs/a/config.json": "{"}),
      Case("evaluate --workdir runs/a", ("runs/a", "data.json"),
           {"runs/a/config.json": run["runs/a/config.json"]}),
      Case("evaluate --workdir runs/a", ("data.json", "damaged"),
           _with(run, data="{")),
      Case("evaluate --workdir runs/a", ("data.json", "damaged"),
           _with(run, data=empty)),
      Case("evaluate --workdir runs/a", ("'batch_size'",),
           _with(run, config=empty)),
      Case("evaluate --workdir runs/a", ("runs/a", "no checkpoint"), run),
      Case("evaluate --workdir runs/a --step 5", ("runs/a", "step 5"), run),
      Case("evaluate --workdir runs/a --step 5", ("runs/a", "step 5", "[3]"),
           run | {"runs/a/checkpoints/3/x": ""}),
      Case("evaluate --workdir runs/a --step last", ("--step", "'last'"), run),
      Case("evaluate --workdir runs/a --best", ("runs/a", "no evaluated"), run),
      Case("evaluate --workdir runs/a --best --step 3", ("--step", "--best"), run),
      Case("evaluate --workdir runs/a --config.data.tets=x",
           ("'data.tets'", "'data.test'"), run),
      Case("evaluate --workdir runs/a --config.data.test=validation",
           ("'validation'", "split"), run),
      Case("evaluate --workdir runs/a --config digits", ("--config",), run),
      # probe.
      Case("probe --workdir runs/none", ("runs/none", "no run")),
      Case("probe --workdir runs/a --probes claen", ("'claen'", "'clean'"), run),
      Case("probe --workdir runs/a --probes fgsm --eps x", ("--eps", "'x'"), run),
      Case("probe --workdir runs/a --probes fgsm --eps -1", ("eps", "-1"), run),
      Case("probe --workdir runs/a --probes pgd --steps 0", ("steps", "0"), run),
      Case("probe --workdir runs/a --limit -1", ("--limit", "-1"), run),
      Case("probe --workdir runs/a --probes corruptions --corrupted none",
           ("none",), run),
      Case("probe --workdir runs/a --against runs/b", ("runs/b", "no run"), run),
      Case("probe --workdir runs/a --probes clean", ("runs/a", "no checkpoint"),
           run),
      # predict.
      Case("predict --workdir runs/a", ("IMAGE",)),
      Case("predict x.png", ("--workdir",), {"x.png": ""}),
      Case("predict --workdir runs/a x.png", ("'x.png'",), run),
      Case("predict --workdir runs/none x.png", ("runs/none", "no run"),
           {"x.png": ""}),
      Case("predict --workdir runs/a x.png", ("config.json", "damaged"),
           {"runs/a/config.json": "\x00", "x.png": ""}),
      Case("predict --workdir runs/a x.png --top 0", ("--top", "0"),
           run | {"x.png": ""}),
      Case("predict --workdir runs/a x.png --top all", ("--top", "'all'"),
           run | {"x.png": ""}),
      Case("predict --workdir runs/a x.png --format xml", ("--format", "'xml'"),
           run | {"x.png": ""}),
      Case("predict --workdir runs/a x.png --step 7", ("runs/a", "step 7"),
           run | {"x.png": ""}),
      Case("predict --workdir runs/a runs", ("'runs'",), run),
      # export.
      Case("export --workdir runs/a", ("--to",), run),
      Case("export --to stablehlo", ("--workdir",)),
      Case("export --workdir runs/none --to stablehlo", ("runs/none", "no run")),
      Case("export --workdir runs/a --to onnx",
           ("'onnx'", "safetensors, stablehlo"), run),
      Case("export --workdir runs/a --to safetensor",
           ("'safetensor'", "did you mean 'safetensors'"), run),
      Case("export --workdir runs/a --to stablehlo", ("runs/a", "no checkpoint"),
           run),
      Case("export --workdir runs/a --to safetensors --step 5",
           ("runs/a", "step 5"), run),
      Case("export --workdir runs/a --to stablehlo --batch 0", ("--batch", "'0'"),
           run),
      Case("export --workdir runs/a --to stablehlo --batch many",
           ("--batch", "'many'"), run),
      Case("export --workdir runs/a --to safetensors --batch 2",
           ("--batch=2", "stablehlo"), run),
      Case("export --workdir runs/a --to safetensors --out x.pth",
           ("--out", ".safetensors", "'x.pth'"), run),
      Case("export --workdir runs/a --to stablehlo --out ''", ("--out",), run),
      Case("export --workdir runs/a --to stablehlo --out x.bin",
           ("--out", "'x.bin'", "there already"), run | {"x.bin": ""}),
      Case("export --workdir runs/a --to stablehlo --out x.bin",
           ("--out", "'x.json'", "there already"), run | {"x.json": ""}),
      Case("export --workdir runs/a --to stablehlo --config.seed=1",
           ("'--config.seed=1'",), run),
      # preview.
      Case("preview --out x.png", ("--config", "--all", "--workdir")),
      Case(f"preview --all --config {RECIPE} --out x.png", ("--config", "--all")),
      Case("preview --all --workdir runs/a --out x.png", ("--all", "--workdir"),
           run),
      Case(f"preview --config {RECIPE}", ("--out",)),
      Case(f"preview --config {RECIPE} --out x", ("--out", "'x'", ".png")),
      Case("preview --all --out x.jpg", ("--out", "'x.jpg'", ".png")),
      Case(f"preview --config {RECIPE} --out ''", ("--out", "''", ".png")),
      Case(f"preview --config {RECIPE} --out file/x.png", ("--out", "file/x.png"),
           {"file": ""}),
      Case("preview --all --out file/deep/x.png", ("--out", "file/deep/x.png"),
           {"file": ""}),
      Case("preview --all --out x.png", ("--out", "'x.png'"), {"x.png/y": ""}),
      Case(f"preview --config {RECIPE} --stage mixed --out x.png",
           ("--stage", "'mixed'")),
      Case(f"preview --config {RECIPE} --out x.png --config.mix.name=cutmx",
           ("'cutmx'", "'cutmix'")),
      Case("preview --config digit:resnet8 --out x.png", ("'digit'", "'digits'")),
      Case("preview --all --out x.png --config.seed=1", ("'--config.seed=1'",)),
      Case("preview --workdir runs/none --out x.png", ("runs/none", "no run")),
      Case("preview --workdir runs/a --out x.png", ("config.json", "damaged"),
           {"runs/a/config.json": "{'seed': 0}"}),
      Case("preview --workdir runs/a --out deep/x.png", ("runs/a",), run),
      Case("preview --workdir runs/a --stage augment --out x.png",
           ("--stage augment", "--config"), run),
      Case("preview --all --stage augment --out x.png", ("--stage augment", "--config")),
      # The rest.
      Case("list", ("what",)),
      Case("list mixer", ("'mixer'", "mixers")),
      Case("list mixers more", ("'more'",)),
      Case("recipes cifar", ("'cifar'", "did you mean 'cifar10'")),
      Case("recipes cifar100 --name", ("'--name'",)),
      Case("recipes cifar100 more", ("'more'",)),
      Case("prepare", ("name",)),
      Case("prepare cifar1000", ("'cifar1000'", "did you mean 'cifar10")),
      Case("prepare ''", ("''",)),
      Case("prepare cifar100 more", ("'more'",)),
      Case("prepare cifar100/nosuch", ("nosuch", "cifar100")),
      Case("prepare cifar100:9.9.9", ("9.9.9",)),
      Case("prepare mock", ("'mock'",)),
      Case("prepare digits --data_dir file", ("--data_dir", "'file'"), {"file": ""}),
      Case("", ("command",)),
      Case("trian", ("'trian'", "train")),
      Case("--verbose", ("command",)),
  )


def _cases():
  for override, *says in malformed_overrides.OVERRIDES:
    key, value = override.split("=")
    # Names are said with what they are of: "unknown mixer 'cutmx'".
    last = key.rpartition(".")[2]
    named = {"name": "", "train": "split", "test": "split"}.get(last, last)
    argument = shlex.quote(f"--config.{key}={value}")
    value = value.removeprefix("./")  # Paths are said in full.
    yield Case(_train(RECIPE, argument), (named, value, *says))
  for argument, *says in malformed_overrides.ARGUMENTS:
    yield Case(_train(RECIPE, argument), tuple(says))
  for recipe, *says in _RECIPES:
    yield Case(_train(recipe), tuple(says))
  for source, *says in _SOURCES:
    yield Case(_train("mine.py"), says, {"mine.py": source})
  for change, *says in _CHANGES:
    yield Case(_train("mine.py"), tuple(says), {"mine.py": _mine(change)})
  yield from _commands()


CASES = tuple(_cases())
